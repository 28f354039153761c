import { Fields } from '../../../http/fields.ts'
import type { Logger } from '../../../shared/logger.ts'
import type { HotLookup, HotResponse, PlainRequest } from '../../hot/hot-lookup.ts'
import type { ConnectionObserver, TrafficObserver } from '../../logs/traffic-observer.ts'
import type { Transport } from '../../transport/transport.ts'
import { discardBody, type ViewerRequest, type ViewerResponse } from '../../viewer.ts'
import type { Http2Stream } from '../connection/stream.ts'
import { ErrorCode } from '../frames/errors.ts'
import { encodeStaticBlock } from '../hpack/encoder.ts'
import { StreamBody } from '../sending/outgoing-body.ts'
import type { Sender } from '../sending/sender.ts'
import { type RequestHead, toFields } from './request-head.ts'
import { dateBlock, hotBlock, responseLines } from './response-block.ts'
import { Http2ViewerRequest } from './viewer-request.ts'

export interface ResponderOptions {
  /** Answers a request the long way. Never rejects. */
  respond(request: ViewerRequest): Promise<ViewerResponse>
  /** Answers from memory. Absent: every request takes the long way. */
  hot: HotLookup | undefined
  /** Milliseconds since the epoch, for Date. */
  now(): number
  logger: Logger
  /** Hears of every request. */
  observer?: TrafficObserver
}

/** What a responder asks of its connection. */
export interface ResponderEvents {
  resetStream(stream: Http2Stream, code: number): void
  /** Something was written outside of a turn of reading. */
  scheduleFlush(): void
}

/** From a request's head to its response on the wire. */
export class Responder {
  readonly #options: ResponderOptions
  readonly #transport: Transport
  readonly #sender: Sender
  readonly #events: ResponderEvents
  readonly #plain: HeadAsPlainRequest
  readonly #observer: ConnectionObserver | undefined
  #answering = 0

  constructor(
    options: ResponderOptions,
    transport: Transport,
    sender: Sender,
    events: ResponderEvents,
  ) {
    this.#options = options
    this.#transport = transport
    this.#sender = sender
    this.#events = events
    this.#plain = new HeadAsPlainRequest(transport)
    this.#observer = options.observer?.connection(transport, 'HTTP/2.0')
  }

  /** Answers in the making, also of streams that were reset since. */
  get answering(): number {
    return this.#answering
  }

  answer(stream: Http2Stream, head: RequestHead): void {
    if (stream.body === undefined && this.#answerHot(stream, head)) return
    const request = new Http2ViewerRequest(head, {
      peerAddress: this.#transport.remoteAddress,
      isSecure: this.#transport.isEncrypted,
      body: stream.body,
      sendContinue: () => this.#sendContinue(stream),
      sendInterim: (status, fields) => this.#sendInterim(stream, status, fields),
    })
    stream.request = request
    stream.exchange = this.#observer?.begin({
      method: head.method,
      target: head.target,
      protocol: 'HTTP/2.0',
      field: name => request.fields.get(name),
    })
    this.#answering++
    this.#options.respond(request).then(
      response => {
        this.#answering--
        this.#send(stream, request, response)
        this.#events.scheduleFlush()
      },
      error => {
        this.#answering--
        this.#fail(stream, request, error)
      },
    )
  }

  /** The header list was larger than we said we take: RFC 6585 §5. */
  refuseLargeHeaders(stream: Http2Stream): void {
    const text = Buffer.from('Request Header Fields Too Large\n')
    const block = encodeStaticBlock([
      [':status', '431'],
      ['content-type', 'text/plain; charset=utf-8'],
      ['content-length', String(text.length)],
    ])
    stream.hasResponded = true
    const date = dateBlock(this.#options.now())
    this.#sender.headers(stream.id, false, block, date)
    this.#observer?.refused(431, block.length + date.length + text.length)
    this.#sender.bytes(stream, text)
  }

  #answerHot(stream: Http2Stream, head: RequestHead): boolean {
    const { hot, now } = this.#options
    if (hot === undefined || !head.isPlain || head.host === undefined) return false
    const isHead = head.method === 'HEAD'
    if (!isHead && head.method !== 'GET') return false
    this.#plain.head = head
    const response = hot.find(this.#plain)
    if (response === undefined) return false
    const bytes = isHead ? undefined : response.body?.bytes
    const hasBytes = bytes !== undefined && bytes.length > 0
    // A field that cannot be sent is for the long way to stumble over, and to log.
    let block: Uint8Array
    try {
      block = hotBlock(response)
    } catch {
      return false
    }
    const date = response.fields.has('date') ? undefined : dateBlock(now())
    stream.hasResponded = true
    this.#sender.headers(stream.id, !hasBytes, block, date)
    if (hasBytes) this.#sender.bytes(stream, bytes)
    else this.#sender.finish(stream)
    stream.headBytes = block.length + (date?.length ?? 0)
    if (this.#observer !== undefined) this.#observeHot(this.#observer, stream, response)
    return true
  }

  /** Most are answered by now; a viewer who opens no window has to be waited for. */
  #observeHot(observer: ConnectionObserver, stream: Http2Stream, response: HotResponse): void {
    if (stream.isAnswered) {
      observer.answered(this.#plain, response, stream.headBytes + stream.sentBytes)
    } else {
      stream.exchange = observer.sending(this.#plain, response)
    }
  }

  #send(stream: Http2Stream, request: ViewerRequest, response: ViewerResponse): void {
    const { body, status, fields } = response
    if (stream.isClosed) {
      discardBody(body)
      return
    }
    const hasBody =
      request.method !== 'HEAD' && status !== 204 && status !== 304 && !isEmpty(response)
    try {
      const lines = responseLines(status, fields)
      const block = this.#sender.encoder.encode(lines)
      const date = fields.has('date') ? undefined : dateBlock(this.#options.now())
      stream.hasResponded = true
      stream.exchange?.responding(response)
      stream.headBytes = block.length + (date?.length ?? 0)
      this.#sender.headers(stream.id, !hasBody, block, date)
    } catch (error) {
      discardBody(body)
      this.#fail(stream, request, error)
      return
    }
    if (!hasBody) {
      discardBody(body)
      this.#sender.finish(stream)
    } else if (body.kind === 'bytes') {
      this.#sender.bytes(stream, body.bytes)
    } else if (body.kind === 'stream') {
      const outgoing = new StreamBody(body.stream, body.sizeBytes, {
        onReady: () => {
          this.#sender.enqueue(stream)
          this.#events.scheduleFlush()
        },
        onFailure: error => this.#fail(stream, request, error),
      })
      this.#sender.body(stream, outgoing)
    }
  }

  #sendContinue(stream: Http2Stream): void {
    if (stream.isClosed || stream.hasResponded) return
    this.#sender.headers(stream.id, false, encodeStaticBlock([[':status', '100']]))
    this.#events.scheduleFlush()
  }

  /** 103 with Link for browsers to begin on, 102 as a sign of life; others mean nothing here. */
  #sendInterim(stream: Http2Stream, status: number, fields: Fields): void {
    if (stream.isClosed || stream.hasResponded) return
    if (status !== 102 && (status !== 103 || !fields.has('link'))) return
    try {
      const lines = responseLines(status, status === 102 ? new Fields() : fields)
      this.#sender.headers(stream.id, false, this.#sender.encoder.encode(lines))
      this.#events.scheduleFlush()
    } catch {
      // A hint that cannot be said is no reason to fail.
    }
  }

  /** A response that cannot be what was promised is broken off, not ended. */
  #fail(stream: Http2Stream, request: ViewerRequest, error: unknown): void {
    if (stream.isClosed) return
    const reason = error instanceof Error ? error.message : String(error)
    const path = request.target.slice(0, 200)
    this.#options.logger.error('response broke off', { path, reason })
    this.#events.resetStream(stream, ErrorCode.INTERNAL_ERROR)
    this.#events.scheduleFlush()
  }
}

function isEmpty({ body }: ViewerResponse): boolean {
  return body.kind === 'none' || (body.kind === 'bytes' && body.bytes.length === 0)
}

/** One object for all requests of a connection: the lookup keeps nothing of it. */
class HeadAsPlainRequest implements PlainRequest {
  head!: RequestHead
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  get isHead(): boolean {
    return this.head.method === 'HEAD'
  }

  get target(): string {
    return this.head.target
  }

  get host(): string {
    return this.head.host ?? ''
  }

  get acceptEncoding(): string | undefined {
    return this.head.acceptEncoding
  }

  get ifNoneMatch(): string | undefined {
    return this.head.ifNoneMatch
  }

  get ifModifiedSince(): string | undefined {
    return this.head.ifModifiedSince
  }

  get userAgent(): string | undefined {
    return this.head.userAgent
  }

  get referrer(): string | undefined {
    return this.head.referrer
  }

  get forwardedFor(): string | undefined {
    return this.head.forwardedFor
  }

  get peerAddress(): string {
    return this.#transport.remoteAddress
  }

  get isSecure(): boolean {
    return this.#transport.isEncrypted
  }

  field(name: string): string | undefined {
    if (name === 'host') return this.head.host
    const separator = name === 'cookie' ? '; ' : ', '
    let value: string | undefined
    for (const line of this.head.lines) {
      if (line.name !== name) continue
      value = value === undefined ? line.value : `${value}${separator}${line.value}`
    }
    return value
  }

  fields(): Fields {
    return toFields(this.head)
  }
}
