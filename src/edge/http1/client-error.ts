import type { Socket } from 'node:net'
import { systemErrorCode } from '../../shared/errors.ts'
import { MAX_TARGET_BYTES } from '../site/request-target.ts'
import { endInStages } from '../transport/end-in-stages.ts'

/** What the parser objected to, as a status. */
const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Content Too Large',
  414: 'URI Too Long',
  431: 'Request Header Fields Too Large',
}

/** What was sent to refuse a request. */
export interface Refusal {
  status: number
  bytes: number
}

/**
 * Answers bytes that are no HTTP request, and closes: after a framing error nothing on this
 * connection can be trusted (RFC 9112 §11.2). Undefined: nobody is there to be told.
 */
export function refuseMalformed(
  error: Error & { rawPacket?: Uint8Array },
  socket: Socket,
): Refusal | undefined {
  const isReset = systemErrorCode(error) === 'ECONNRESET'
  // What follows the fault is one as well, and must not cut off what is still on its way.
  if (!isReset && socket.writableEnded) return undefined
  if (isReset || !socket.writable) {
    socket.destroy()
    return undefined
  }
  const status = statusOf(error)
  const message = formatRefusal(status)
  endInStages(socket, message)
  return { status, bytes: message.length }
}

/** The whole message that refuses what is no request. */
export function formatRefusal(status: 400 | 408 | 413 | 414 | 431): string {
  const text = `${REASONS[status]}\n`
  return (
    `HTTP/1.1 ${status} ${REASONS[status]}\r\ncontent-type: text/plain; charset=utf-8\r\n` +
    `content-length: ${text.length}\r\nconnection: close\r\n\r\n${text}`
  )
}

function statusOf(error: Error & { rawPacket?: Uint8Array }): 400 | 408 | 413 | 414 | 431 {
  switch (systemErrorCode(error)) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return 408
    case 'HPE_HEADER_OVERFLOW':
      return isInRequestLine(error.rawPacket) ? 414 : 431
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return 413
    default:
      return 400
  }
}

/** Whether it is the request line that does not end; other lines before it were read already. */
function isInRequestLine(packet: Uint8Array | undefined): boolean {
  if (packet === undefined) return false
  const head = Buffer.from(packet).subarray(0, MAX_TARGET_BYTES + 64)
  return new RegExp(`^[A-Z-]+ [^ \\r\\n]{${MAX_TARGET_BYTES}}`).test(head.toString('latin1'))
}
