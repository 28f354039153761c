import type { Clock } from '../../shared/clock.ts'
import type { HotResponse, PlainRequest } from '../hot/hot-lookup.ts'
import type { EdgeMetrics, RequestCount } from '../metrics/edge-metrics.ts'
import { clientAddress, type TrustedProxies } from '../origins/client-address.ts'
import type { ViewerResponse } from '../viewer.ts'
import type { LineFormat, ResponseFacts, ViewerFacts } from './formats/line-format.ts'
import { errorDetailOf, resultTypeOf } from './result-type.ts'
import type {
  BegunRequest,
  ConnectionObserver,
  ObservedExchange,
  Peer,
  Protocol,
  TlsFacts,
  TrafficObserver,
} from './traffic-observer.ts'

export interface RequestLogOptions {
  edgeId: string
  clock: Clock
  /** Milliseconds on a steady clock. Default: the process's own. */
  steadyNow?(): number
  metrics: EdgeMetrics
  trustedProxies: TrustedProxies
  /** Where the lines go. Absent: requests are counted and not logged. */
  lines?: { format: LineFormat; append(line: string): void }
}

/** What is kept on an answer from memory: its part of the line, and its counters by protocol. */
interface HotPart {
  line: unknown
  http1: RequestCount | undefined
  http2: RequestCount | undefined
}

type Response = Pick<ViewerResponse, 'status' | 'fields' | 'log'>

/** Logs and counts every request once, when its answer has left. */
export class RequestLog implements TrafficObserver {
  readonly #options: RequestLogOptions
  readonly #idPrefix: string
  #ids = 0
  #idStart = ''

  constructor(options: RequestLogOptions) {
    this.#options = options
    this.#idPrefix = `${options.edgeId}-${options.clock.now().toString(36)}-`
  }

  connection(peer: Peer, protocol: Protocol): ConnectionObserver {
    return new ObservedConnection(this, peer, protocol)
  }

  accepted(): void {
    this.#options.metrics.accepted++
  }

  handshaken(kind: 'full' | 'resumed' | 'failed'): void {
    this.#options.metrics.handshakes[kind]++
  }

  steadyNow(): number {
    return (this.#options.steadyNow ?? steadyNow)()
  }

  /** The viewer's part of the line; undefined where there are no lines. */
  viewer(facts: ViewerFacts): unknown {
    return this.#options.lines?.format.viewer(facts)
  }

  client(peer: Peer, forwardedFor: string | undefined): string {
    return clientAddress(peer.remoteAddress, forwardedFor, this.#options.trustedProxies)
  }

  /** The whole answer in no time that could be measured: hits take some microseconds. */
  hot(viewer: unknown, response: HotResponse, target: string, protocol: Protocol, bytes: number) {
    const { lines, clock, metrics } = this.#options
    const part = (response.log as HotPart | undefined) ?? this.#prepare(response)
    const count =
      (protocol === 'HTTP/2.0' ? part.http2 : part.http1) ??
      this.#counterOf(part, response, protocol)
    count.requests++
    count.bytes += bytes
    metrics.duration.countInstant()
    if (lines === undefined) return
    const exchange = INSTANT
    exchange.endedMs = clock.now()
    exchange.requestId = this.newId()
    exchange.target = target
    exchange.bytes = bytes
    lines.append(lines.format.line(exchange, viewer, part.line))
  }

  end(exchange: {
    viewer: unknown
    facts: ResponseFacts
    protocol: Protocol
    requestId: string
    target: string
    bytes: number
    durationMs: number
    firstByteMs: number
  }): void {
    const { lines, clock, metrics } = this.#options
    const { viewer, facts, bytes, durationMs } = exchange
    const count = metrics.counter(facts.project, facts.status, exchange.protocol, facts.result)
    count.requests++
    count.bytes += bytes
    metrics.duration.observe(durationMs)
    const { format } = lines ?? {}
    if (format === undefined) return
    const line = format.line({ ...exchange, endedMs: clock.now() }, viewer, format.response(facts))
    lines?.append(line)
  }

  /** An id for the log alone, where nobody else was told one. */
  newId(): string {
    const low = this.#ids % IDS.length
    if (low === 0) this.#idStart = `${this.#idPrefix}${(this.#ids / IDS.length).toString(36)}-`
    this.#ids++
    return this.#idStart + IDS[low]
  }

  #prepare(response: HotResponse): HotPart {
    const facts = factsOf({ ...response, log: { project: response.project } }, true)
    const line = this.#options.lines?.format.response(facts)
    const part: HotPart = { line, http1: undefined, http2: undefined }
    if (response.isPrepared) response.log = part
    return part
  }

  #counterOf(part: HotPart, response: HotResponse, protocol: Protocol): RequestCount {
    const result = resultTypeOf(response.status, response.fields.get('cache-status'))
    const { metrics } = this.#options
    const count = metrics.counter(response.project, response.status, protocol, result)
    part[protocol === 'HTTP/2.0' ? 'http2' : 'http1'] = count
    return count
  }
}

/** The ends of ids; to write a number in full for each request costs more than its line. */
const IDS: readonly string[] = Array.from({ length: 4096 }, (_, id) => id.toString(36))

/** Filled in anew for each answer from memory, and used up by its line. */
const INSTANT = { endedMs: 0, requestId: '', target: '', bytes: 0, durationMs: 0, firstByteMs: 0 }

const steadyNow = () => performance.now()

class ObservedConnection implements ConnectionObserver {
  readonly #log: RequestLog
  readonly #peer: Peer
  readonly #protocol: Protocol
  #tls: TlsFacts | undefined
  // The viewer's part of the last line: most requests of a connection have the same.
  #viewer: unknown
  #isHead: boolean | undefined
  #host = ''
  #userAgent: string | undefined
  #referrer: string | undefined
  #forwardedFor: string | undefined

  constructor(log: RequestLog, peer: Peer, protocol: Protocol) {
    this.#log = log
    this.#peer = peer
    this.#protocol = protocol
  }

  answered(request: PlainRequest, response: HotResponse, bytes: number): void {
    this.#log.hot(this.#viewerOf(request), response, request.target, this.#protocol, bytes)
  }

  sending(request: PlainRequest, response: HotResponse): ObservedExchange {
    const viewer = this.#viewerOf(request)
    const exchange = new Exchange(this.#log, this.#protocol, viewer, request.target)
    exchange.responding({ ...response, log: { project: response.project } })
    return exchange
  }

  begin(request: BegunRequest): ObservedExchange {
    const viewer = this.#format({
      protocol: request.protocol,
      method: request.method,
      host: request.field('host'),
      userAgent: request.field('user-agent'),
      referrer: request.field('referer'),
      forwardedFor: request.field('x-forwarded-for'),
      range: request.field('range'),
    })
    return new Exchange(this.#log, request.protocol, viewer, request.target)
  }

  refused(status: number, bytes: number): void {
    const viewer = this.#format({ protocol: this.#protocol, ...NO_REQUEST })
    const exchange = new Exchange(this.#log, this.#protocol, viewer, '-')
    exchange.refused(status)
    exchange.ended(bytes, true)
  }

  #viewerOf(request: PlainRequest): unknown {
    const { isHead, host, userAgent, referrer, forwardedFor } = request
    if (
      this.#isHead !== isHead ||
      this.#host !== host ||
      this.#userAgent !== userAgent ||
      this.#referrer !== referrer ||
      this.#forwardedFor !== forwardedFor
    ) {
      this.#isHead = isHead
      this.#host = host
      this.#userAgent = userAgent
      this.#referrer = referrer
      this.#forwardedFor = forwardedFor
      const method = isHead ? 'HEAD' : 'GET'
      const protocol = this.#protocol
      const range = undefined
      this.#viewer = this.#format({
        ...{ protocol, method, host, userAgent, referrer, forwardedFor, range },
      })
    }
    return this.#viewer
  }

  #format(
    request: Pick<
      ViewerFacts,
      'protocol' | 'method' | 'host' | 'userAgent' | 'referrer' | 'forwardedFor' | 'range'
    >,
  ): unknown {
    const peer = this.#peer
    this.#tls ??= peer.tlsFacts?.()
    return this.#log.viewer({
      client: this.#log.client(peer, request.forwardedFor),
      port: peer.remotePort,
      ...request,
      isSecure: peer.isEncrypted,
      tlsVersion: this.#tls?.version,
      tlsCipher: this.#tls?.cipher,
    })
  }
}

const NO_REQUEST = {
  method: undefined,
  host: undefined,
  userAgent: undefined,
  referrer: undefined,
  forwardedFor: undefined,
  range: undefined,
}

class Exchange implements ObservedExchange {
  readonly #log: RequestLog
  readonly #protocol: Protocol
  readonly #viewer: unknown
  readonly #target: string
  readonly #begunMs: number
  #firstByteMs: number | undefined
  #response: Response | undefined
  #refusedWith = 0
  #isOver = false

  constructor(log: RequestLog, protocol: Protocol, viewer: unknown, target: string) {
    this.#log = log
    this.#protocol = protocol
    this.#viewer = viewer
    this.#target = target
    this.#begunMs = log.steadyNow()
  }

  responding(response: Response): void {
    this.#firstByteMs = this.#log.steadyNow() - this.#begunMs
    this.#response = response
  }

  /** Answered by whoever found that it is no request. */
  refused(status: number): void {
    this.#refusedWith = status
  }

  ended(bytes: number, isComplete: boolean): void {
    if (this.#isOver) return
    this.#isOver = true
    const durationMs = this.#log.steadyNow() - this.#begunMs
    const response = this.#response
    this.#log.end({
      viewer: this.#viewer,
      facts: response === undefined ? noAnswer(this.#refusedWith) : factsOf(response, isComplete),
      protocol: this.#protocol,
      requestId: response?.log?.requestId ?? this.#log.newId(),
      target: this.#target,
      bytes,
      durationMs,
      firstByteMs: this.#firstByteMs ?? durationMs,
    })
  }
}

function factsOf({ status, fields, log }: Response, isComplete: boolean): ResponseFacts {
  const cacheStatus = fields.get('cache-status')
  const responseResult = log?.result ?? resultTypeOf(status, cacheStatus)
  const result = isComplete ? responseResult : 'Error'
  const isBrokenOff = !isComplete && responseResult !== 'Error'
  return {
    project: log?.project,
    release: fields.get('x-moka-release'),
    status,
    result,
    responseResult,
    detail:
      result !== 'Error'
        ? result
        : isBrokenOff
          ? 'ClientCommError'
          : errorDetailOf(status, cacheStatus),
    cacheStatus,
    contentType: fields.get('content-type'),
    contentLength: fields.get('content-length'),
    contentRange: fields.get('content-range'),
  }
}

/** There was no answer of the edge: status 0 where the viewer left before one. */
function noAnswer(status: number): ResponseFacts {
  return {
    project: undefined,
    release: undefined,
    status,
    result: 'Error',
    responseResult: 'Error',
    detail: errorDetailOf(status, undefined),
    cacheStatus: undefined,
    contentType: undefined,
    contentLength: undefined,
    contentRange: undefined,
  }
}
