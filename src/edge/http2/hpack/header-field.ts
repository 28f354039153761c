/** What the dynamic table counts for an entry besides its octets (RFC 7541 §4.1). */
const ENTRY_OVERHEAD = 32

/** One line of a header list. Octets are kept as Latin-1 characters. */
export class HeaderField {
  readonly name: string
  readonly value: string
  /** As the table and SETTINGS_MAX_HEADER_LIST_SIZE count it. */
  readonly sizeBytes: number
  /**
   * Room for a reader's judgement (0: none yet): a field that comes out of the table a thousand
   * times is judged once.
   */
  verdict = 0

  constructor(name: string, value: string) {
    this.name = name
    this.value = value
    this.sizeBytes = name.length + value.length + ENTRY_OVERHEAD
  }
}

/** A compression error: the connection cannot go on (RFC 9113 §4.3). */
export class HpackError extends Error {
  override readonly name = 'HpackError'
}
