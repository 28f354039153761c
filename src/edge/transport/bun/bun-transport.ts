import type { Reader } from '../../protection/connections/slow-readers.ts'
import { Deadlines, type Ticks } from '../deadlines.ts'
import type { Transport, TransportHandler } from '../transport.ts'
import type { BunSocket } from './bun-api.ts'
import { BunStream } from './bun-stream.ts'
import { BunWriter } from './bun-writer.ts'

/** Who hears of a socket: what stands in its `data`. */
export interface BunPeer {
  onData(bytes: Buffer): void
  onDrain(): void
  onEnd(): void
  onClose(): void
}

/** What the adapter needs of the listener that accepted the connection. */
export interface BunTransportHost extends Ticks {
  onClosed(transport: BunTransport): void
  /** Takes a connection over, with `unread` already pushed back into it. */
  takeStream(stream: BunStream): void
}

const IGNORE: TransportHandler = {
  onBytes() {},
  onDrain() {},
  onEnd() {},
  onDeadline() {},
  onShutdown() {},
  onClose() {},
}

/** A socket of Bun's as a transport. */
export class BunTransport implements Transport, BunPeer {
  readonly remoteAddress: string
  readonly isEncrypted: boolean
  readonly alpnProtocol: string | undefined
  handler: TransportHandler = IGNORE
  readonly #socket: BunSocket<BunPeer>
  readonly #host: BunTransportHost
  readonly #writer: BunWriter
  /** What is held back until `uncork`. */
  #corked: (Uint8Array | string)[] | undefined
  #corkedBytes = 0
  readonly #deadlines: Deadlines
  #isEnding = false
  #isClosed = false
  #hasPeerEnded = false
  /** What was not taken when the connection closed. */
  #lostBytes = 0

  constructor(socket: BunSocket<BunPeer>, isEncrypted: boolean, host: BunTransportHost) {
    this.#socket = socket
    this.#host = host
    this.#deadlines = new Deadlines(host)
    this.#writer = new BunWriter(socket)
    this.remoteAddress = socket.remoteAddress
    this.isEncrypted = isEncrypted
    this.alpnProtocol = (isEncrypted && socket.alpnProtocol) || undefined
    socket.data = this
  }

  get remotePort(): number {
    return this.#socket.remotePort
  }

  tlsFacts(): { version: string; cipher: string } | undefined {
    const version = this.isEncrypted ? this.#socket.getTLSVersion() : null
    return version === null ? undefined : { version, cipher: this.#socket.getCipher().name }
  }

  get bufferedBytes(): number {
    return this.#isClosed ? this.#lostBytes : this.#writer.unsentBytes + this.#corkedBytes
  }

  /** For the listener: how what is sent goes, also after a hand-over. */
  get reader(): Reader {
    const [writer, socket] = [this.#writer, this.#socket]
    return {
      get bufferedBytes() {
        return writer.unsentBytes
      },
      get takenBytes() {
        return writer.flushedBytes
      },
      destroy: () => socket.terminate(),
    }
  }

  get isWritable(): boolean {
    return !this.#isEnding && !this.#isClosed
  }

  /** For the listener: calls `onDeadline` where its time has come. */
  checkDeadline(): void {
    const due = this.#deadlines.takeDue()
    if (due === 'close') this.#socket.close()
    else if (due === 'deadline') this.handler.onDeadline()
  }

  // Bun reads from the first moment, but calls nobody before who accepts has returned.
  start(): void {}

  write(bytes: Uint8Array): boolean {
    if (!this.isWritable) return false
    if (this.#corked !== undefined) return this.#hold(bytes)
    this.#writer.write(bytes)
    return this.#writer.unsentBytes === 0
  }

  writeLatin1(text: string): boolean {
    if (!this.isWritable) return false
    if (this.#corked !== undefined) return this.#hold(text)
    this.#writer.writeLatin1(text)
    return this.#writer.unsentBytes === 0
  }

  cork(): void {
    this.#corked ??= []
  }

  uncork(): void {
    const pieces = this.#corked
    this.#corked = undefined
    this.#corkedBytes = 0
    if (pieces !== undefined && !this.#isClosed) this.#writer.writeAll(pieces)
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
    this.uncork()
    this.#isEnding = true
    if (this.#isClosed) return
    this.#socket.resume()
    if (this.#writer.unsentBytes === 0) this.#shutDown()
  }

  destroy(): void {
    if (!this.#isClosed) this.#socket.close()
  }

  handOver(unread: Uint8Array): void {
    this.handler = IGNORE
    this.#deadlines.set(0)
    this.#host.onClosed(this)
    if (this.#isClosed) return
    // The stream counts on a socket that reads.
    this.#socket.resume()
    const stream = new BunStream(this.#socket, this.#writer, this)
    if (unread.byteLength > 0) stream.push(Buffer.from(unread))
    this.#socket.data = stream
    if (this.#hasPeerEnded) stream.onEnd()
    this.#host.takeStream(stream)
    stream.resume()
  }

  onData(bytes: Buffer): void {
    if (!this.#isEnding) this.handler.onBytes(bytes)
  }

  onDrain(): void {
    if (this.#writer.unsentBytes === 0 || !this.#writer.flush()) return
    if (this.#isEnding) this.#shutDown()
    else this.handler.onDrain()
  }

  onEnd(): void {
    this.#hasPeerEnded = true
    if (!this.#isEnding) this.handler.onEnd()
    else if (this.#deadlines.isLingering) this.#socket.close()
  }

  onClose(): void {
    if (this.#isClosed) return
    this.#lostBytes = this.bufferedBytes
    this.#isClosed = true
    this.#writer.drop()
    this.#corked = undefined
    this.#corkedBytes = 0
    this.#host.onClosed(this)
    // Bun may tell of it within `terminate` or `write`; whoever called that is not done yet.
    queueMicrotask(() => this.handler.onClose())
  }

  /** Nothing is left to send: that direction ends, and the connection with the other one. */
  #shutDown(): void {
    this.#deadlines.linger()
    if (this.#hasPeerEnded) this.#socket.close()
    else this.#socket.shutdown()
  }

  #hold(piece: Uint8Array | string): boolean {
    this.#corked!.push(piece)
    this.#corkedBytes += piece.length
    return this.#writer.unsentBytes === 0
  }
}
