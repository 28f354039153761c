import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '../../../src/shared/clock.ts'
import { freePort } from '../../../src/shared/free-port.ts'
import { findOnPath, tieToParent } from '../../../src/shared/tied-process.ts'
import { openLocalCa } from '../../../src/tls/local-ca.ts'

export const hasPebble = findOnPath('pebble') !== undefined

export interface Pebble {
  directoryUrl: string
  /** Root of pebble's own HTTPS. */
  ca: string
  /** Root of the certificates that it issues: another at each start. */
  root(): Promise<string>
  close(): Promise<void>
}

export interface PebbleOptions {
  /** Where it looks for HTTP-01 and TLS-ALPN-01 answers. */
  httpPort: number
  tlsPort: number
  /** `host:port` of the resolver that it asks. */
  dnsServer: string
  /** Key identifier → HMAC key; when given, accounts need one of them. */
  externalAccounts?: Record<string, string>
  env?: Record<string, string>
}

/** Starts Let's Encrypt's test authority on free ports of the loopback address. */
export async function startPebble(options: PebbleOptions): Promise<Pebble> {
  const directory = await mkdtemp(join(tmpdir(), 'moka-pebble-'))
  const ca = await openLocalCa({ directory: join(directory, 'ca'), clock: systemClock })
  const { chain, key } = await ca.certificateFor(['localhost', '127.0.0.1'])
  const [port, managementPort] = await Promise.all([freePort(), freePort()])
  const path = (name: string) => join(directory, name)
  await writeFile(path('cert.pem'), chain)
  await writeFile(path('key.pem'), key, { mode: 0o600 })
  await writeFile(
    path('config.json'),
    JSON.stringify({
      pebble: {
        listenAddress: `127.0.0.1:${port}`,
        managementListenAddress: `127.0.0.1:${managementPort}`,
        certificate: path('cert.pem'),
        privateKey: path('key.pem'),
        httpPort: options.httpPort,
        tlsPort: options.tlsPort,
        ocspResponderURL: '',
        externalAccountBindingRequired: options.externalAccounts !== undefined,
        externalAccountMACKeys: options.externalAccounts ?? {},
      },
    }),
  )
  const args = ['-strict', '-config', path('config.json'), '-dnsserver', options.dnsServer]
  const tied = tieToParent('pebble', args)
  const child = spawn(tied.command, tied.args, {
    env: {
      PATH: process.env.PATH ?? '',
      // Its randomness is what these make certain: no pauses, every second nonce refused.
      PEBBLE_VA_NOSLEEP: '1',
      PEBBLE_WFE_NONCEREJECT: '50',
      PEBBLE_AUTHZREUSE: '0',
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const log = keepLog(child)
  const directoryUrl = `https://127.0.0.1:${port}/dir`
  const root = () => read(`https://127.0.0.1:${managementPort}/roots/0`, ca.certificate)
  try {
    await untilUp(child, () => read(directoryUrl, ca.certificate), log)
  } catch (error) {
    await end(child, directory)
    throw error
  }
  return { directoryUrl, ca: ca.certificate, root, close: () => end(child, directory) }
}

function keepLog(child: ChildProcess): () => string {
  let log = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', chunk => {
      log = (log + chunk).slice(-4000)
    })
  }
  return () => log
}

async function untilUp(
  child: ChildProcess,
  ask: () => Promise<string>,
  log: () => string,
): Promise<void> {
  const deadline = performance.now() + 60_000
  for (;;) {
    try {
      await ask()
      return
    } catch (error) {
      const isOver = child.exitCode !== null || performance.now() > deadline
      if (isOver) throw new Error(`pebble does not answer: ${error}\n${log()}`)
      await delay(50)
    }
  }
}

async function end(child: ChildProcess, directory: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  await rm(directory, { recursive: true, force: true })
}

function read(url: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { ca, agent: false, timeout: 5_000 }, response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', chunk => {
        text += chunk
      })
      response.on('end', () => resolve(text))
      response.on('error', reject)
    }).on('error', reject)
  })
}

/** Pebble takes no port 0: one that the system has just called free. */
