import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { systemErrorCode } from './errors.ts'

/** Where the system's own range begins when it does not say: Linux's default. */
const EPHEMERAL_FROM = 32_768
/** How many ports below that range are ours to choose from. */
const CHOICE = 20_000
const ATTEMPTS = 20

/**
 * A TCP port of an address that is free. It is for who cannot listen at once, or wants the same port
 * again later: of those that the system gives to nobody who asks for any port, or connects.
 */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const end = await ephemeralFrom()
  for (let attempt = 1; ; attempt++) {
    const port = end - 1 - Math.floor(Math.random() * CHOICE)
    try {
      await listenOnce(host, port)
      return port
    } catch (error) {
      if (systemErrorCode(error) !== 'EADDRINUSE' || attempt === ATTEMPTS) throw error
    }
  }
}

async function listenOnce(host: string, port: number): Promise<void> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve)
  })
  await new Promise(resolve => server.close(resolve))
}

async function ephemeralFrom(): Promise<number> {
  const range = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'latin1').catch(() => '')
  const from = Number.parseInt(range, 10) || EPHEMERAL_FROM
  // Where it was widened to begin low, no port is out of its reach.
  return from > CHOICE + 1024 ? from : EPHEMERAL_FROM
}
