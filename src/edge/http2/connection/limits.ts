/** What one HTTP/2 connection may cost. */
export interface Http2Limits {
  /** SETTINGS_MAX_CONCURRENT_STREAMS. Twice as many answers may be in the making at once. */
  maxConcurrentStreams: number
  /** SETTINGS_MAX_HEADER_LIST_SIZE; above it a request is answered with 431. */
  maxHeaderListBytes: number
  /** A header block as sent, all of its CONTINUATION frames; above it the connection ends. */
  maxHeaderBlockBytes: number
  /** Frames of one header block: those that carry nothing would else never reach the bytes. */
  maxHeaderBlockFrames: number
  /** Octets of a request body that we take before the function reads them. */
  streamWindowBytes: number
  /** The same for all streams together. */
  connectionWindowBytes: number
  /** Written and not taken by the kernel; above it the viewer is not read from. */
  maxBufferedBytes: number
  /** From the connection, or the beginning of a header block, to its end. */
  headersTimeoutMs: number
  /** A connection without streams. */
  idleTimeoutMs: number
  /** How long a viewer may take for `minProgressBytes` of what we want to send, or owe him. */
  stallTimeoutMs: number
  minProgressBytes: number
  /** How often the timeouts are looked at. */
  checkIntervalMs: number
}

export const DEFAULT_HTTP2_LIMITS: Http2Limits = {
  maxConcurrentStreams: 128,
  maxHeaderListBytes: 16 * 1024,
  maxHeaderBlockBytes: 32 * 1024,
  maxHeaderBlockFrames: 16,
  streamWindowBytes: 256 * 1024,
  connectionWindowBytes: 1024 * 1024,
  maxBufferedBytes: 512 * 1024,
  headersTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
  stallTimeoutMs: 20_000,
  // 200 octets a second: worse than any line that people use, far better than an attack needs.
  minProgressBytes: 4_000,
  checkIntervalMs: 1_000,
}
