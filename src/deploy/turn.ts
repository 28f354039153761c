import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemErrorCode } from '../shared/errors.ts'

/**
 * Runs `work` while nobody else on this machine deploys from the folder: a second build would take
 * away the files that the first deploy is about to read. Who has to wait is told once.
 *
 * Whoever listens on the folder's socket has the turn, and the others are connected to it: the
 * system ends both with the process, however that ends.
 */
export async function inTurn<T>(
  root: string,
  work: () => Promise<T>,
  onWait: () => void,
): Promise<T> {
  const address = addressOf(root)
  let hasWaited = false
  let turn = await listen(address)
  while (turn === undefined) {
    if (!hasWaited) onWait()
    hasWaited = true
    await waitForEnd(address)
    turn = await listen(address)
  }
  try {
    return await work()
  } finally {
    turn.end()
  }
}

/** On Linux a name that is no file and goes with its process; elsewhere a socket file. */
function addressOf(root: string): string {
  const digest = createHash('sha256').update(root).digest('hex').slice(0, 32)
  const name = `mokapot-deploy-${process.getuid?.() ?? 0}-${digest}`
  return process.platform === 'linux' ? `\0${name}` : join(tmpdir(), `${name}.sock`)
}

/** Undefined when somebody listens there already. */
function listen(address: string): Promise<{ end(): void } | undefined> {
  const waiting = new Set<Socket>()
  const server: Server = createServer(socket => {
    waiting.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => waiting.delete(socket))
    socket.resume()
    socket.unref()
  })
  server.unref()
  return new Promise((resolve, reject) => {
    server.once('error', error => {
      if (systemErrorCode(error) === 'EADDRINUSE') resolve(undefined)
      else reject(error)
    })
    server.listen(address, () =>
      resolve({
        end() {
          server.close()
          for (const socket of waiting) socket.destroy()
        },
      }),
    )
  })
}

/** Resolves when the one who listens has ended. */
async function waitForEnd(address: string): Promise<void> {
  const wasThere = await new Promise<boolean>(resolve => {
    const socket = connect(address)
    let isConnected = false
    socket.on('connect', () => {
      isConnected = true
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(isConnected))
    socket.resume()
  })
  // A file that a killed process left behind.
  if (!wasThere && !address.startsWith('\0')) await rm(address, { force: true })
}
