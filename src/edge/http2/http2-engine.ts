import type { Engine } from '../transport/transport.ts'
import { Http2Connection } from './connection/connection.ts'
import { DEFAULT_HTTP2_LIMITS, type Http2Limits } from './connection/limits.ts'
import type { ResponderOptions } from './messages/responder.ts'

export interface Http2EngineOptions extends ResponderOptions {
  /** Shortened in tests; nobody else has a reason to change them. */
  limits?: Partial<Http2Limits>
  /** Milliseconds on a steady clock. Default: the process's own. */
  steadyNow?: () => number
}

/** HTTP/2 (RFC 9113) over TLS by ALPN, and in the clear by prior knowledge. */
export function createHttp2Engine(options: Http2EngineOptions): Engine {
  const limits = { ...DEFAULT_HTTP2_LIMITS, ...options.limits }
  const steadyNow = options.steadyNow ?? (() => performance.now())
  return {
    accept(transport, first) {
      const connection = new Http2Connection(transport, { ...options, limits, steadyNow })
      transport.handler = connection
      connection.open()
      if (first.byteLength > 0) connection.onBytes(first)
    },
  }
}
