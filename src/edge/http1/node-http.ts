import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline, type Readable, Transform } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { formatHttpDate } from '../../http/dates.ts'
import { isValidField } from '../../http/field-lists.ts'
import { Fields } from '../../http/fields.ts'
import { systemClock } from '../../shared/clock.ts'
import { discardBody, type ViewerRequest, type ViewerResponse } from '../viewer.ts'
import { exchangeOf } from './node-exchanges.ts'
import { UpgradeResponse } from './upgrade/upgrades.ts'

/** A node:http request as the edge sees requests. */
export class NodeViewerRequest implements ViewerRequest {
  readonly method: string
  readonly target: string
  readonly version: '1.0' | '1.1'
  readonly fields: Fields
  readonly peerAddress: string
  readonly isSecure: boolean
  readonly hasBody: boolean
  readonly upgrade?: 'websocket'
  readonly #incoming: IncomingMessage
  readonly #outgoing: ServerResponse
  #abort: AbortController | undefined
  #isBodyTaken = false

  constructor(incoming: IncomingMessage, outgoing: ServerResponse) {
    this.#incoming = incoming
    this.#outgoing = outgoing
    this.method = incoming.method ?? 'GET'
    this.target = incoming.url ?? ''
    this.version = incoming.httpVersion === '1.0' ? '1.0' : '1.1'
    this.fields = Fields.fromRaw(incoming.rawHeaders)
    this.peerAddress = incoming.socket.remoteAddress ?? ''
    this.isSecure = (incoming.socket as TLSSocket).encrypted === true
    const length = this.fields.get('content-length')
    this.hasBody =
      this.fields.has('transfer-encoding') || (length !== undefined && Number(length) > 0)
    if (outgoing instanceof UpgradeResponse) this.upgrade = 'websocket'
  }

  /** A body that nobody reads makes the connection unfit for another request. */
  get hasUnreadBody(): boolean {
    return this.hasBody && !(this.#isBodyTaken && this.#incoming.complete)
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = new AbortController()
      this.#abort = abort
      if (this.#outgoing.destroyed) abort.abort()
      this.#outgoing.once('close', () => {
        if (!this.#outgoing.writableFinished) abort.abort()
      })
    }
    return this.#abort.signal
  }

  /** HTTP/1.0 knows none; a 103 without Link would say nothing. */
  sendInterim(status: number, fields: Fields): void {
    if (this.version === '1.0' || this.#outgoing.headersSent || this.#outgoing.destroyed) return
    if (status === 102) this.#outgoing.writeProcessing()
    if (status !== 103 || !fields.has('link')) return
    const hints: Record<string, string> = {}
    for (const name of fields.names()) {
      const value = fields.get(name)
      if (value !== undefined && isValidField(name, value)) hints[name] = value
    }
    try {
      this.#outgoing.writeEarlyHints(hints)
    } catch {
      // node:http is strict about Link; a hint is no reason to fail.
    }
  }

  takeBody(): Readable {
    this.#isBodyTaken = true
    if (/^100-continue$/i.test(this.fields.get('expect') ?? '')) this.#outgoing.writeContinue()
    return this.#incoming
  }
}

/** Writes a response. A body that is not as long as promised breaks the connection off. */
export function sendResponse(
  response: ViewerResponse,
  request: NodeViewerRequest,
  outgoing: ServerResponse,
  onFailure: (error: Error) => void,
): void {
  const { body, fields, status } = response
  if (outgoing.destroyed || outgoing.headersSent) {
    discardBody(body)
    return
  }
  exchangeOf(outgoing)?.responding(response)
  if (body.kind === 'tunnel') {
    if (outgoing instanceof UpgradeResponse) outgoing.switchTo(fields, body.origin)
    else outgoing.destroy()
    return
  }
  if (request.upgrade !== undefined) fields.set('connection', 'close')
  if (request.hasUnreadBody) fields.set('connection', 'close')
  const raw = fields.toRaw()
  // Written here, since runtimes differ in where they put their own.
  if (!fields.has('date')) raw.push('Date', formatHttpDate(systemClock.now()))
  outgoing.writeHead(status, raw)
  if (body.kind === 'none') {
    outgoing.end()
  } else if (request.method === 'HEAD') {
    if (body.kind === 'stream') body.stream.destroy()
    outgoing.end()
  } else if (body.kind === 'bytes') {
    outgoing.end(body.bytes)
  } else {
    const { stream, sizeBytes } = body
    const arrived = sizeBytes === undefined ? undefined : takeArrived(stream, sizeBytes)
    if (arrived !== undefined) return void outgoing.end(arrived)
    // node:http holds the head back for the first bytes; an event stream may have none for long.
    if (stream.readableLength === 0) outgoing.flushHeaders()
    const isViewerGone = () => outgoing.destroyed && !outgoing.writableFinished
    const whenDone = (error: NodeJS.ErrnoException | null | undefined) => {
      if (error && error.code !== 'ERR_STREAM_PREMATURE_CLOSE' && !isAbort(error)) onFailure(error)
      if (error && !isViewerGone()) outgoing.destroy()
    }
    if (sizeBytes === undefined) pipeline(stream, outgoing, whenDone)
    else pipeline(stream, exactly(sizeBytes), outgoing, whenDone)
  }
}

/**
 * The whole body, where it is here already: a short answer comes in one piece with its header, and
 * goes on so, without what a pipeline costs.
 */
function takeArrived(stream: Readable, sizeBytes: number): Uint8Array | undefined {
  if (sizeBytes === 0 || stream.destroyed || stream.readableLength !== sizeBytes) return undefined
  const bytes: Uint8Array | null = stream.read(sizeBytes)
  if (bytes?.byteLength !== sizeBytes) return undefined
  stream.on('error', () => {}).resume() // to its end, which frees the connection it came by
  return bytes
}

function isAbort(error: NodeJS.ErrnoException): boolean {
  return error.name === 'AbortError'
}

/** The same bytes, failing where there are fewer or more than promised. */
function exactly(sizeBytes: number): Transform {
  let seen = 0
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      seen += chunk.byteLength
      if (seen > sizeBytes) done(new Error(`body exceeds its promised ${sizeBytes} bytes`))
      else done(null, chunk)
    },
    flush(done) {
      if (seen === sizeBytes) done()
      else done(new Error(`body ended after ${seen} of ${sizeBytes} bytes`))
    },
  })
}
