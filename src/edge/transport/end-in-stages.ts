import type { Socket } from 'node:net'

/** What a peer has to take the last bytes and to close on its side. */
export const LINGER_MS = 2_000

/**
 * Sends what is written, closes that direction, and closes the other when the peer has, or has
 * taken its time. A connection closed at once while the peer still sends is reset, and the reset
 * takes away what the peer has not read (RFC 9112 §9.6). Whoever reads the socket drops what comes.
 */
export function endInStages(socket: Socket, last?: string): void {
  const linger = () => {
    if (socket.destroyed) return
    const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref()
    socket.once('close', () => clearTimeout(timer))
  }
  if (last === undefined) socket.end(linger)
  else socket.end(last, linger)
}
