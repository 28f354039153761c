import { Duplex } from 'node:stream'
import type { BunSocket } from './bun-api.ts'
import type { BunPeer } from './bun-transport.ts'
import type { BunWriter } from './bun-writer.ts'

/**
 * A connection that was handed over, with what node:http and tunnels use of a socket of node:net.
 * Bun's node:http takes any stream, and reads it by the parser that Node has.
 */
export class BunStream extends Duplex implements BunPeer {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly encrypted: boolean
  readonly alpnProtocol: string | undefined
  readonly connecting = false
  bytesRead = 0
  readonly #socket: BunSocket
  readonly #writer: BunWriter
  /** Given to the writer so far, and of the write that is under way. */
  #givenBytes = 0
  #givingBytes = 0
  #isClosed = false
  #isHeld = false
  /** What goes on once all is sent. */
  #whenSent: ((error?: Error | null) => void) | undefined
  #idleTimer: NodeJS.Timeout | undefined

  constructor(
    socket: BunSocket,
    writer: BunWriter,
    known: { isEncrypted: boolean; alpnProtocol: string | undefined },
  ) {
    super({ allowHalfOpen: true })
    this.#socket = socket
    this.#writer = writer
    this.remoteAddress = socket.remoteAddress
    this.remotePort = socket.remotePort
    this.encrypted = known.isEncrypted
    this.alpnProtocol = known.alpnProtocol
  }

  /** All that was written here, sent or not. */
  get bytesWritten(): number {
    return this.#givenBytes - this.#givingBytes + this.writableLength
  }

  override _read(): void {
    if (!this.#isHeld || this.#isClosed) return
    this.#isHeld = false
    this.#socket.resume()
  }

  override _write(
    chunk: Uint8Array | string,
    encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    if (this.#isClosed) {
      done(connectionReset())
      return
    }
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk
    this.#give([bytes], done)
  }

  override _writev(
    chunks: { chunk: Uint8Array; encoding: BufferEncoding }[],
    done: (error?: Error | null) => void,
  ): void {
    if (this.#isClosed) {
      done(connectionReset())
      return
    }
    this.#give(
      chunks.map(({ chunk }) => chunk),
      done,
    )
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#afterSending(error => {
      if (!this.#isClosed && error == null) this.#socket.shutdown()
      done(error)
    })
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#idleTimer)
    if (!this.#isClosed) {
      // What breaks off must not look whole, as it would with TLS's word that this was the end.
      if (this.encrypted && !this.writableFinished) this.#socket.terminate()
      else this.#socket.close()
    }
    done(error)
  }

  onData(bytes: Buffer): void {
    this.bytesRead += bytes.byteLength
    this.#idleTimer?.refresh()
    if (this.push(bytes) || this.#isClosed) return
    this.#isHeld = true
    this.#socket.pause()
  }

  onDrain(): void {
    this.#idleTimer?.refresh()
    if (this.#writer.unsentBytes > 0 && !this.#writer.flush()) return
    const done = this.#whenSent
    this.#whenSent = undefined
    done?.()
  }

  onEnd(): void {
    this.push(null)
  }

  onClose(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#writer.drop()
    const done = this.#whenSent
    this.#whenSent = undefined
    // As with node:net: a reset before the peer's end is an error, which breaks what is under way.
    const error = this.readableEnded || this.writableFinished ? undefined : connectionReset()
    done?.(error ?? connectionReset())
    this.destroy(error)
  }

  /** Emits `timeout` when nothing has moved for this long; 0 never. */
  setTimeout(timeoutMs: number, onTimeout?: () => void): this {
    clearTimeout(this.#idleTimer)
    this.#idleTimer = undefined
    if (timeoutMs > 0) {
      if (onTimeout !== undefined) this.once('timeout', onTimeout)
      this.#idleTimer = setTimeout(() => this.emit('timeout'), timeoutMs).unref()
    }
    return this
  }

  /** Sends what is written, then destroys. */
  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', () => this.destroy())
  }

  getProtocol(): string | null {
    return this.encrypted ? this.#socket.getTLSVersion() : null
  }

  getCipher(): { name: string } {
    return this.#socket.getCipher()
  }

  // Bun's sockets have no delay, and nothing keeps the process but what serves.
  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  #give(pieces: Uint8Array[], done: (error?: Error | null) => void): void {
    this.#givingBytes = pieces.reduce((sum, piece) => sum + piece.byteLength, 0)
    this.#givenBytes += this.#givingBytes
    if (pieces.length === 1) this.#writer.write(pieces[0]!)
    else this.#writer.writeAll(pieces)
    this.#afterSending(error => {
      this.#givingBytes = 0
      done(error)
    })
  }

  #afterSending(done: (error?: Error | null) => void): void {
    if (this.#writer.unsentBytes === 0) done()
    else this.#whenSent = done
  }
}

function connectionReset(): Error {
  return Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' })
}
