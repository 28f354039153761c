import type { Socket } from 'node:net'

/**
 * One buffer for the reads of all connections: a chunk is used up before the next is read, and no
 * buffer has to be made, kept by a stream and collected for each. Larger than what one read brings.
 */
const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024)

/** What an accepted socket stands on; none of it is public. */
interface SocketParts {
  _handle?: { useUserBuffer?(buffer: Uint8Array): void } | null
  [symbol: symbol]: unknown
}

export interface SharedRead {
  /** From now on the bytes go to the socket's stream, as with any other. */
  stop(): void
}

/**
 * Has an accepted socket, over TLS or not, read into the shared buffer. Node offers that (`onread`)
 * only for sockets made by hand, where it keeps buffer and callback under symbols of its own; the
 * same is put there afterwards. Undefined where this Node is built otherwise: then nothing was
 * changed.
 */
export function readShared(
  accepted: Socket,
  onBytes: (bytes: Uint8Array) => void,
): SharedRead | undefined {
  const parts = accepted as unknown as SocketParts
  const handle = parts._handle
  const symbols = onReadSymbols(accepted)
  if (symbols === undefined || typeof handle?.useUserBuffer !== 'function') return undefined
  if (accepted.readableLength > 0) return undefined
  let isShared = true
  parts[symbols.buffer] = READ_BUFFER
  parts[symbols.callback] = (length: number, buffer: Uint8Array): boolean => {
    if (!isShared) return accepted.push(Buffer.from(buffer.subarray(0, length)))
    onBytes(length === buffer.byteLength ? buffer : buffer.subarray(0, length))
    return true
  }
  handle.useUserBuffer(READ_BUFFER)
  return {
    stop() {
      isShared = false
    },
  }
}

interface OnReadSymbols {
  buffer: symbol
  callback: symbol
}

/** Null: they were looked for, and are not there. */
let known: OnReadSymbols | null | undefined

/** Every socket has them, unset. */
function onReadSymbols(socket: Socket): OnReadSymbols | undefined {
  if (known === undefined) {
    const own = Object.getOwnPropertySymbols(socket)
    const unset = (name: string) =>
      own.find(symbol => symbol.description === name && Reflect.get(socket, symbol) === null)
    const [buffer, callback] = [unset('kBuffer'), unset('kBufferCb')]
    // With this one, Node would take a new buffer for each read.
    const hasNoSource = unset('kBufferGen') !== undefined
    known = buffer && callback && hasNoSource ? { buffer, callback } : null
  }
  return known ?? undefined
}
