import { createConnection } from 'node:net'

/**
 * Sends pieces of bytes, one a turn so that they arrive apart, closes that direction, and gives all
 * that came back until the other side closed. Rejects when that takes too long.
 */
export function rawExchange(
  port: number,
  pieces: readonly string[],
  timeoutMs = 30_000,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: '127.0.0.1', noDelay: true })
    const waiting = [...pieces]
    let text = ''
    const timeout = setTimeout(() => {
      socket.destroy()
      reject(new Error(`no end after ${JSON.stringify(pieces.join('').slice(0, 500))}`))
    }, timeoutMs)
    const send = () => {
      const piece = waiting.shift()
      if (piece === undefined) socket.end()
      else socket.write(piece, 'latin1', () => setImmediate(send))
    }
    socket.on('connect', send)
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
    })
    // A reset is an end as well: what came before it counts.
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(timeout)
      resolve(text)
    })
  })
}

/** Responses without what differs from one moment to the next. */
export function withoutMoment(text: string): string {
  return text
    .replace(/^Date: .*\r\n/gm, 'Date: D\r\n')
    .replace(/^server-timing: edge;dur=[\d.]+\r\n/gm, 'server-timing: edge\r\n')
}
