import { ConnectionError, ErrorCode } from '../frames/errors.ts'
import type { Http2Limits } from './limits.ts'
import type { OpenedHeaders } from './streams.ts'

/** A HEADERS frame whose block is not complete, and its CONTINUATION frames (RFC 9113 §6.10). */
export class HeaderAssembly {
  readonly opened: OpenedHeaders
  readonly #limits: Http2Limits
  readonly #parts: Uint8Array[] = []
  #bytes = 0

  constructor(opened: OpenedHeaders, limits: Http2Limits) {
    this.opened = opened
    this.#limits = limits
  }

  /**
   * Copies. Throws `ConnectionError` where it is too much: a block that is not decoded leaves the
   * table unknown, so the connection cannot be kept (CVE-2024-27316).
   */
  add(part: Uint8Array): void {
    this.#bytes += part.length
    this.#parts.push(Buffer.from(part))
    const { maxHeaderBlockBytes, maxHeaderBlockFrames } = this.#limits
    if (this.#bytes > maxHeaderBlockBytes || this.#parts.length > maxHeaderBlockFrames) {
      throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'a header block without end')
    }
  }

  block(): Uint8Array {
    return Buffer.concat(this.#parts)
  }
}
