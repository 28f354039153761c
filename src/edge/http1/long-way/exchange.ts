import type { Readable } from 'node:stream'
import { isValidField } from '../../../http/field-lists.ts'
import type { Fields } from '../../../http/fields.ts'
import type { Logger } from '../../../shared/logger.ts'
import { StreamBody } from '../../http2/sending/outgoing-body.ts'
import type { ObservedExchange } from '../../logs/traffic-observer.ts'
import type { Transport } from '../../transport/transport.ts'
import { discardBody, type ViewerRequest, type ViewerResponse } from '../../viewer.ts'
import { Http1ViewerRequest, type RequestFacts } from './viewer-request.ts'

/** More than this unsent: no more is taken of a body, nor read. Above any stream's mark, so that a drain follows. */
export const MAX_UNSENT_BYTES = 64 * 1024

export interface ExchangeHost {
  readonly transport: Transport
  readonly logger: Logger
  /** Whether the connection ends with this answer; asked once, when its head is written. */
  isLast(): boolean
  /** Head with its empty line; undefined where a field cannot stand on the wire. */
  formatHead(response: ViewerResponse, isLast: boolean, isChunked: boolean): string | undefined
  /** All is written. */
  onWritten(isLast: boolean): void
}

/**
 * One request that takes the long way: it is answered by the edge, at some time, and its response
 * is written as it comes. What cannot be as promised breaks the connection off.
 */
export class Exchange {
  readonly #host: ExchangeHost
  readonly #request: Http1ViewerRequest
  readonly #observed: ObservedExchange | undefined
  #requestId: string | undefined
  #body: StreamBody | undefined
  #isSized = true
  #isChunked = false
  #isLast = false
  #hasResponded = false
  #isOver = false
  /** Head, body and framing; `left` of them are not the kernel's yet. */
  writtenBytes = 0

  constructor(host: ExchangeHost, facts: RequestFacts, observed: ObservedExchange | undefined) {
    this.#host = host
    this.#observed = observed
    this.#request = new Http1ViewerRequest(facts, (status, fields) =>
      this.#sendInterim(status, fields),
    )
  }

  get observed(): ObservedExchange | undefined {
    return this.#observed
  }

  begin(respond: (request: ViewerRequest) => Promise<ViewerResponse>): void {
    respond(this.#request).then(
      response => this.#send(response),
      error => this.#fail(error),
    )
  }

  /** What was written is gone. */
  drained(): void {
    if (this.#body !== undefined && !this.#isOver) this.#pump(this.#body)
  }

  /**
   * Whether a viewer who closes its direction now is taken for gone. It may be one that waits for
   * its answer, but who asks an origin for long has to know; nginx and Go decide so as well.
   */
  get endsWithViewer(): boolean {
    return this.#hasResponded ? !this.#isSized : this.#request.isSignalTaken
  }

  /** The connection is closed. */
  closed(): void {
    if (this.#isOver) return
    this.#end(false)
    this.#request.abort()
  }

  #send(response: ViewerResponse): void {
    const { body, status, fields } = response
    if (this.#isOver) {
      discardBody(body)
      return
    }
    this.#requestId = response.log?.requestId
    const { transport } = this.#host
    const hasBody = this.#request.method === 'GET' && status !== 204 && status !== 304
    const length = fields.get('content-length')
    this.#isChunked = hasBody && length === undefined
    this.#isLast = this.#host.isLast()
    const head = this.#host.formatHead(response, this.#isLast, this.#isChunked)
    if (head === undefined || body.kind === 'tunnel') {
      discardBody(body)
      this.#fail(new Error('the response cannot be said in HTTP/1.1'))
      return
    }
    const bytes = body.kind === 'bytes' ? body.bytes : NOTHING
    const sizeBytes = body.kind === 'stream' ? body.sizeBytes : bytes.byteLength
    if (
      hasBody &&
      length !== undefined &&
      sizeBytes !== undefined &&
      sizeBytes !== Number(length)
    ) {
      discardBody(body)
      this.#fail(new Error(`body of ${sizeBytes} bytes was announced with ${length}`))
      return
    }
    this.#observed?.responding(response)
    this.#hasResponded = true
    if (!hasBody) {
      discardBody(body)
      this.#write(head)
      this.#finish()
      return
    }
    if (body.kind !== 'stream') {
      transport.cork()
      this.#write(head)
      if (bytes.byteLength > 0) this.#writeBody(bytes)
      if (this.#isChunked) this.#write(LAST_CHUNK)
      transport.uncork()
      this.#finish()
      return
    }
    const promisedBytes = sizeBytes ?? (length === undefined ? undefined : Number(length))
    this.#sendStream(head, body.stream, promisedBytes)
  }

  #sendStream(head: string, stream: Readable, sizeBytes: number | undefined): void {
    this.#isSized = sizeBytes !== undefined
    const body = new StreamBody(stream, sizeBytes, {
      onReady: () => this.#pump(body),
      onFailure: error => this.#fail(error),
    })
    this.#body = body
    this.#pump(body, head)
  }

  /** Writes what there is, as far as the viewer takes it. */
  #pump(body: StreamBody, head?: string): void {
    const { transport } = this.#host
    let first = head
    while (!this.#isOver) {
      let hasMoved = false
      transport.cork()
      if (first !== undefined) this.#write(first)
      first = undefined
      while (transport.bufferedBytes <= MAX_UNSENT_BYTES) {
        const piece = body.take(MAX_PIECE_BYTES)
        if (piece === undefined) break
        hasMoved = true
        if (piece.byteLength > 0) this.#writeBody(piece)
      }
      const isDone = !this.#isOver && body.isDone
      if (isDone && this.#isChunked) this.#write(LAST_CHUNK)
      transport.uncork()
      if (isDone) {
        this.#finish()
        return
      }
      // Held back is not unsent: the kernel may have taken all of it, and no drain follow.
      if (!hasMoved || transport.bufferedBytes > MAX_UNSENT_BYTES) return
    }
  }

  #writeBody(bytes: Uint8Array): void {
    const { transport } = this.#host
    if (this.#isChunked) this.#write(`${bytes.byteLength.toString(16)}\r\n`)
    transport.write(bytes)
    this.writtenBytes += bytes.byteLength
    if (this.#isChunked) this.#write('\r\n')
  }

  #write(text: string): void {
    this.#host.transport.writeLatin1(text)
    this.writtenBytes += text.length
  }

  /** 103 with Link for browsers to begin on, 102 as a sign of life; others mean nothing here. */
  #sendInterim(status: number, fields: Fields): void {
    if (this.#isOver || this.#hasResponded) return
    if (status === 102) this.#write('HTTP/1.1 102 Processing\r\n\r\n')
    const link = fields.get('link')
    if (status !== 103 || link === undefined || !isValidField('link', link)) return
    let head = `HTTP/1.1 103 Early Hints\r\nLink: ${link}\r\n`
    for (const name of fields.names()) {
      const value = fields.get(name)
      if (name === 'link' || value === undefined || !isValidField(name, value)) continue
      head += `${name}: ${value}\r\n`
    }
    this.#write(`${head}\r\n`)
  }

  #finish(): void {
    this.#isOver = true
    this.#host.onWritten(this.#isLast)
  }

  #fail(error: unknown): void {
    if (this.#isOver) return
    const { logger, transport } = this.#host
    const reason = error instanceof Error ? error.message : String(error)
    const path = this.#request.target.slice(0, 200)
    logger.error('response broke off', { requestId: this.#requestId, path, reason })
    this.#end(false)
    transport.destroy()
  }

  #end(isComplete: boolean): void {
    this.#isOver = true
    this.#body?.discard()
    const leftBytes = Math.min(this.#host.transport.bufferedBytes, this.writtenBytes)
    this.#observed?.ended(this.writtenBytes - leftBytes, isComplete)
  }
}

/** At once from a stream, which gives what it has in one piece. */
const MAX_PIECE_BYTES = 256 * 1024

const LAST_CHUNK = '0\r\n\r\n'

const NOTHING = new Uint8Array(0)
