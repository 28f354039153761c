import type { Engine, Transport, TransportHandler } from './transport.ts'

/** What every HTTP/2 connection begins with (RFC 9113 §3.4). */
export const HTTP2_PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

const PREFACE_BYTES: readonly number[] = [...HTTP2_PREFACE].map(char => char.charCodeAt(0))

export interface EngineChoice {
  http1: Engine
  /** Absent: such connections go to `http1`, as any other. */
  http2: Engine | undefined
  /** From the connection to the first bytes that decide. */
  firstBytesTimeoutMs: number
}

/**
 * Finds the engine of a connection: by ALPN where TLS agreed on a protocol, else by its first
 * bytes, which tell HTTP/2 with prior knowledge.
 */
export function chooseEngine(transport: Transport, choice: EngineChoice): void {
  const { http1, http2 } = choice
  // Over TLS, HTTP/2 is what ALPN says and nothing else (RFC 9113 §3.3).
  if (http2 === undefined || (transport.isEncrypted && transport.alpnProtocol !== 'h2')) {
    http1.accept(transport, NOTHING)
  } else if (transport.isEncrypted) {
    http2.accept(transport, NOTHING)
  } else {
    transport.handler = new FirstBytes(transport, http1, http2)
    transport.setDeadline(choice.firstBytesTimeoutMs)
  }
  transport.start()
}

const NOTHING = new Uint8Array(0)

/** Looks at bytes until they are the preface, or cannot become it. */
class FirstBytes implements TransportHandler {
  readonly #transport: Transport
  readonly #http1: Engine
  readonly #http2: Engine
  #seen: Uint8Array = NOTHING
  #shutdownGraceMs: number | undefined

  constructor(transport: Transport, http1: Engine, http2: Engine) {
    this.#transport = transport
    this.#http1 = http1
    this.#http2 = http2
  }

  onBytes(bytes: Uint8Array): void {
    const seen = this.#seen.byteLength === 0 ? bytes : concat(this.#seen, bytes)
    const common = commonLength(seen)
    if (common === PREFACE_BYTES.length) this.#give(this.#http2, seen)
    else if (common < seen.byteLength) this.#give(this.#http1, seen)
    else this.#seen = new Uint8Array(seen)
  }

  onEnd(): void {
    // Half a preface is for HTTP/1.1 to refuse; nothing at all is nobody's.
    if (this.#seen.byteLength === 0) this.#transport.end()
    else {
      this.#give(this.#http1, this.#seen)
      this.#transport.handler.onEnd()
    }
  }

  onDeadline(): void {
    if (this.#shutdownGraceMs !== undefined && this.#seen.byteLength === 0) {
      this.#transport.end()
      return
    }
    this.#give(this.#http1, this.#seen)
    this.#transport.handler.onDeadline()
  }

  onShutdown(idleGraceMs: number): void {
    if (idleGraceMs === 0) {
      this.#transport.destroy()
      return
    }
    this.#shutdownGraceMs = idleGraceMs
    this.#transport.setDeadline(idleGraceMs)
  }

  onDrain(): void {}

  onClose(): void {}

  #give(engine: Engine, first: Uint8Array): void {
    this.#transport.setDeadline(0)
    engine.accept(this.#transport, first)
    const grace = this.#shutdownGraceMs
    if (grace !== undefined) this.#transport.handler.onShutdown(grace)
  }
}

/** How many first bytes are those of the preface. */
function commonLength(bytes: Uint8Array): number {
  const end = Math.min(bytes.byteLength, PREFACE_BYTES.length)
  for (let at = 0; at < end; at++) if (bytes[at] !== PREFACE_BYTES[at]) return at
  return end
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.byteLength + b.byteLength)
  both.set(a)
  both.set(b, a.byteLength)
  return both
}
