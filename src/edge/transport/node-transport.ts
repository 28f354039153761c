import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { Deadlines, type Ticks } from './deadlines.ts'
import { readShared, type SharedRead } from './shared-read-buffer.ts'
import type { Transport, TransportHandler } from './transport.ts'

/** What the adapter needs of the listener that accepted the connection. */
export interface NodeTransportHost extends Ticks {
  onClosed(transport: NodeTransport): void
  /** Takes a socket over, with `unread` already pushed back into it. */
  takeSocket(socket: Socket): void
  /** Whether reads may share one buffer, where Node has the means. */
  readonly isReadShared: boolean
}

/** What a socket writes to; none of it is public. */
interface WritingSocket {
  _handle?: WritingHandle | null
}

interface WritingHandle {
  bytesWritten?: number
  writeQueueSize?: number
  /** Of TLS: the handle below it. */
  _parent?: WritingHandle
}

const IGNORE: TransportHandler = {
  onBytes() {},
  onDrain() {},
  onEnd() {},
  onDeadline() {},
  onShutdown() {},
  onClose() {},
}

/** A socket of node:net or node:tls as a transport. */
export class NodeTransport implements Transport {
  readonly remoteAddress: string
  readonly isEncrypted: boolean
  readonly alpnProtocol: string | undefined
  handler: TransportHandler = IGNORE
  /** For the listener: told also of a socket that was taken over. */
  onSocketClosed: () => void = () => {}
  readonly #socket: Socket
  readonly #host: NodeTransportHost
  readonly #sharedRead: SharedRead | undefined
  readonly #deadlines: Deadlines
  #isEnding = false
  /** What was not taken when the connection broke; the socket forgets it before it closes. */
  #lostBytes: number | undefined
  readonly #onData = (chunk: Uint8Array) => {
    if (!this.#isEnding) this.handler.onBytes(chunk)
  }
  readonly #onDrain = () => this.handler.onDrain()
  readonly #onEnd = () => {
    if (!this.#isEnding) this.handler.onEnd()
  }
  /** What breaks a connection is heard of as its close; an error says nothing more that we need. */
  readonly #onError = () => {
    this.#lostBytes ??= this.#socket.writableLength
  }
  readonly #onClose = () => {
    this.#host.onClosed(this)
    this.handler.onClose()
  }

  /** The socket comes paused. */
  constructor(socket: Socket, host: NodeTransportHost) {
    this.#sharedRead = host.isReadShared ? readShared(socket, this.#onData) : undefined
    this.#socket = socket
    this.#host = host
    this.#deadlines = new Deadlines(host)
    this.remoteAddress = socket.remoteAddress ?? ''
    this.isEncrypted = (socket as TLSSocket).encrypted === true
    this.alpnProtocol = this.isEncrypted
      ? (socket as TLSSocket).alpnProtocol || undefined
      : undefined
    socket.on('error', this.#onError)
    socket.on('drain', this.#onDrain)
    socket.on('end', this.#onEnd)
    socket.on('close', this.#onClose)
    socket.once('close', () => this.onSocketClosed())
  }

  get remotePort(): number | undefined {
    return this.#socket.remotePort
  }

  tlsFacts(): { version: string; cipher: string } | undefined {
    return this.isEncrypted ? tlsFactsOf(this.#socket as TLSSocket) : undefined
  }

  get bufferedBytes(): number {
    return this.#lostBytes ?? this.#socket.writableLength
  }

  /** How much of what was written the kernel has taken, also of what is on its way. */
  get takenBytes(): number {
    const socket = this.#socket
    const handle = (socket as unknown as WritingSocket)._handle
    const { bytesWritten, writeQueueSize } = handle?._parent ?? handle ?? {}
    return bytesWritten === undefined || writeQueueSize === undefined
      ? socket.bytesWritten - socket.writableLength
      : bytesWritten - writeQueueSize
  }

  get isWritable(): boolean {
    return this.#socket.writable
  }

  /** For the listener: calls `onDeadline` where its time has come. */
  checkDeadline(): void {
    const due = this.#deadlines.takeDue()
    if (due === 'close') this.#socket.destroy()
    else if (due === 'deadline') this.handler.onDeadline()
  }

  start(): void {
    if (this.#sharedRead === undefined) this.#socket.on('data', this.#onData)
    this.#socket.resume()
  }

  write(bytes: Uint8Array): boolean {
    return this.#socket.writable && this.#socket.write(bytes)
  }

  writeLatin1(text: string): boolean {
    return this.#socket.writable && this.#socket.write(text, 'latin1')
  }

  cork(): void {
    this.#socket.cork()
  }

  uncork(): void {
    this.#socket.uncork()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  setDeadline(delayMs: number): void {
    this.#deadlines.set(delayMs)
  }

  // As `endInStages`, with the ticks that are there.
  end(): void {
    if (this.#isEnding) return
    this.#isEnding = true
    this.#socket.end(() => {
      this.#deadlines.linger()
    })
    this.#socket.resume()
  }

  destroy(): void {
    this.#lostBytes ??= this.#socket.writableLength
    this.#socket.destroy()
  }

  handOver(unread: Uint8Array): void {
    const socket = this.#socket
    socket.off('data', this.#onData)
    socket.off('drain', this.#onDrain)
    socket.off('end', this.#onEnd)
    socket.off('close', this.#onClose)
    this.handler = IGNORE
    this.#deadlines.set(0)
    this.#host.onClosed(this)
    socket.pause()
    this.#sharedRead?.stop()
    if (unread.byteLength > 0) socket.unshift(Buffer.from(unread))
    this.#host.takeSocket(socket)
    socket.off('error', this.#onError)
    socket.resume()
  }
}

export function tlsFactsOf(socket: TLSSocket): { version: string; cipher: string } | undefined {
  const version = socket.getProtocol()
  return version === null ? undefined : { version, cipher: socket.getCipher().name }
}
