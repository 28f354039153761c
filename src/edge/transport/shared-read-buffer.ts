import { Socket } from 'node:net'

/**
 * One buffer for the reads of all connections: a chunk is used up before the next is read, and no
 * buffer has to be made, kept by a stream and collected for each. Larger than what one read brings.
 */
const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024)

/** What an accepted socket stands on; none of it is public. */
interface AcceptedSocket {
  _handle?: SocketHandle | null
  _server?: unknown
}

interface SocketHandle {
  useUserBuffer?: unknown
  reading?: boolean
}

export interface SharedRead {
  readonly socket: Socket
  /** From now on the bytes go to the socket as with any other. */
  stop(): void
}

/**
 * The connection of an accepted, paused socket as one that reads into the shared buffer. Node
 * offers that (`onread`) only for sockets made by hand, so one is made over the same handle.
 * Undefined where this Node is built otherwise: then the socket is as good as it was.
 */
export function readShared(
  accepted: Socket,
  onBytes: (bytes: Uint8Array) => void,
): SharedRead | undefined {
  const inner = accepted as unknown as AcceptedSocket
  const handle = inner._handle
  if (!handle || typeof handle.useUserBuffer !== 'function' || handle.reading !== false) {
    return undefined
  }
  let isShared = true
  const options = {
    handle,
    allowHalfOpen: true,
    pauseOnCreate: true,
    onread: {
      buffer: READ_BUFFER,
      callback(length: number, buffer: Uint8Array): boolean {
        if (!isShared) return socket.push(Buffer.from(buffer.subarray(0, length)))
        onBytes(length === buffer.byteLength ? buffer : buffer.subarray(0, length))
        return true
      },
    },
  }
  const socket = new Socket(options as ConstructorParameters<typeof Socket>[0])
  // The server counts its connections by this; the socket that is left behind must close nothing.
  const made = socket as unknown as AcceptedSocket
  made._server = inner._server
  inner._server = null
  inner._handle = null
  return {
    socket,
    stop() {
      isShared = false
    },
  }
}
