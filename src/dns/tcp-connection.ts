import type { Socket } from 'node:net'
import { HEADER_OCTETS } from './wire/codes.ts'
import { encodeFrameLength, FrameReader } from './wire/frames.ts'

/** A query has one name and some EDNS options; what is longer than this is none. */
const MAX_QUERY_OCTETS = 4096

export interface TcpConnectionOptions {
  /** Milliseconds without a whole query, or without the answers being read, until it is closed. */
  idleTimeoutMs: number
  respond(query: Uint8Array): Uint8Array | undefined
  onActivity(): void
}

/**
 * Answers the queries of one connection in the order in which they came (RFC 7766 §6.2.1.1),
 * and reads no further while the client does not take its answers.
 */
export function serveTcpConnection(socket: Socket, options: TcpConnectionOptions): void {
  const frames = new FrameReader({ minOctets: HEADER_OCTETS, maxOctets: MAX_QUERY_OCTETS })
  let hasEnded = false
  // Counted from the last query, not the last octet: a client that sends one at a time is idle.
  const deadline = setTimeout(() => socket.destroy(), options.idleTimeoutMs)
  deadline.unref()

  const answerQueries = () => {
    socket.cork()
    const isFlushed = answerFrames()
    socket.uncork()
    if (isFlushed && hasEnded) socket.end()
    else if (isFlushed) socket.resume()
    else socket.pause()
  }
  /** False when the client has to take answers before there are more. */
  const answerFrames = (): boolean => {
    for (;;) {
      const frame = frames.next()
      if (frame.kind === 'partial') return true
      const response = frame.kind === 'message' ? options.respond(frame.octets) : undefined
      // Silence would leave a client waiting for one answer of many: without one it is over.
      if (response === undefined) {
        hasEnded = true
        return true
      }
      deadline.refresh()
      options.onActivity()
      socket.write(encodeFrameLength(response.length))
      if (!socket.write(response)) return false
    }
  }

  socket.on('data', chunk => {
    if (hasEnded) return
    frames.push(chunk)
    answerQueries()
  })
  socket.on('drain', answerQueries)
  socket.on('end', () => {
    hasEnded = true
    if (!socket.writableNeedDrain) socket.end()
  })
  // A client that goes away is no event; 'close' follows.
  socket.on('error', () => socket.destroy())
  socket.on('close', () => clearTimeout(deadline))
}
