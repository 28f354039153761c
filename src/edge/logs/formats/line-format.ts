/**
 * What one request's line tells of the viewer. All texts are as received, one character an octet
 * (ISO 8859-1).
 */
export interface ViewerFacts {
  /** The visitor's address: the socket's, or the one a trusted proxy told. */
  client: string
  port: number | undefined
  forwardedFor: string | undefined
  /** Undefined where no request could be read. */
  method: string | undefined
  host: string | undefined
  protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2.0'
  isSecure: boolean
  tlsVersion: string | undefined
  tlsCipher: string | undefined
  userAgent: string | undefined
  referrer: string | undefined
  range: string | undefined
}

/** CloudFront's words for how a request was answered. */
export type ResultType = 'Hit' | 'RefreshHit' | 'Miss' | 'Error' | 'Redirect' | 'LimitExceeded'

/** What one request's line tells of the answer. */
export interface ResponseFacts {
  /** Undefined where there is no such site, or no request. */
  project: string | undefined
  release: string | undefined
  /** 0: the viewer was gone before there was an answer. */
  status: number
  /** After the last byte: `Error` also for what the viewer broke off. */
  result: ResultType
  /** As it was classified before the first byte. */
  responseResult: ResultType
  /** `result`, or where that is `Error`, which one. */
  detail: string
  cacheStatus: string | undefined
  contentType: string | undefined
  contentLength: string | undefined
  contentRange: string | undefined
}

/** What differs from line to line of the same viewer and the same answer. */
export interface Exchange {
  /** When the answer ended, milliseconds since the epoch. */
  endedMs: number
  requestId: string
  /** Path and query, as received. */
  target: string
  /** Sent to the viewer, header included. */
  bytes: number
  /** From the request to the last byte handed to the system. */
  durationMs: number
  firstByteMs: number
}

/**
 * Lines of a log. What they tell of viewer and answer is formatted apart, so that it is done once
 * for a connection and once for a prepared answer, and a line is a few strings put together. Lines
 * are ASCII and end with a newline.
 */
export interface LineFormat<Viewer = unknown, Response = unknown> {
  /** Of the file's name. */
  readonly extension: string
  /** What every file begins with. */
  readonly head: string
  viewer(facts: ViewerFacts): Viewer
  response(facts: ResponseFacts): Response
  line(exchange: Exchange, viewer: Viewer, response: Response): string
  /** Says that lines are missing here. */
  gap(lines: number, nowMs: number): string
}
