import type { Fields } from '../../http/fields.ts'
import type { HeldBlob } from '../files/blob-source.ts'

/**
 * A GET or HEAD as an engine read it, of which nothing was left out that could matter but what is
 * named here. Good only during the call: engines use one object for all requests.
 */
export interface PlainRequest {
  readonly isHead: boolean
  /** As received; begins with "/", visible ASCII without "#". */
  readonly target: string
  /** The one Host field, as received. */
  readonly host: string
  readonly acceptEncoding: string | undefined
  readonly ifNoneMatch: string | undefined
  readonly ifModifiedSince: string | undefined
  /** These three are for the log alone. */
  readonly userAgent: string | undefined
  readonly referrer: string | undefined
  readonly forwardedFor: string | undefined
  readonly peerAddress: string
  readonly isSecure: boolean
  /**
   * A field by its name, which is of small letters, digits and "-" here. Its lines are joined as
   * `Fields.get` joins them.
   */
  field(name: string): string | undefined
  /** All fields; costs more than the above. */
  fields(): Fields
}

/** An answer that needs no waiting. Prepared ones are given out again and again: never change them. */
export interface HotResponse {
  readonly status: number
  /** Whose site it is. */
  readonly project: string
  /** All that the edge says; the engine adds Date and what concerns the connection. */
  readonly fields: Fields
  /**
   * Lines in place of those of these names in `fields`: what changes from second to second, Age for
   * one. Another array each time that one of them did.
   */
  readonly changing?: readonly (readonly [name: string, value: string])[] | undefined
  /** Its bytes are there at the moment of the answer. Undefined: no body. */
  readonly body: HeldBlob | undefined
  /** Whether the same object will be given again, so that encoding it once pays. */
  readonly isPrepared: boolean
  /** Where an engine keeps the encoded form of a prepared answer. */
  http1?: unknown
  http2?: unknown
  /** And where the log keeps its part. */
  log?: unknown
}

/** The short way to an answer: from memory, without waiting, or not at all. */
export interface HotLookup {
  /**
   * Undefined: the answer has to come the long way, which may make it hot. One call sees one
   * release; what it returns is to be sent at once.
   */
  find(request: PlainRequest): HotResponse | undefined
}
