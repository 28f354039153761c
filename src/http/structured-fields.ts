/** A bare item of a structured field (RFC 9651 §3.3). */
export type BareItem =
  | { kind: 'integer'; value: number }
  | { kind: 'decimal'; value: number }
  | { kind: 'string'; value: string }
  | { kind: 'token'; value: string }
  | { kind: 'bytes'; value: Uint8Array }
  | { kind: 'boolean'; value: boolean }
  | { kind: 'date'; value: number }

/** Members in order. What an inner list holds is checked and not kept: nobody here asks for it. */
export type Dictionary = ReadonlyMap<string, BareItem | { kind: 'inner-list' }>

/**
 * Parses a structured field of type Dictionary (RFC 9651 §4.2.2). Undefined where any part is
 * malformed: the whole field is to be ignored then. Of a name given twice the last one counts.
 */
export function parseDictionary(text: string): Dictionary | undefined {
  try {
    return new Parser(text).dictionary()
  } catch (error) {
    if (error instanceof MalformedError) return undefined
    throw error
  }
}

class MalformedError extends Error {}

const KEY = /[a-z*][a-z0-9_\-.*]*/y
const NUMBER = /-?\d+(?:\.\d+)?/y
const STRING = /"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"/y
const TOKEN = /[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*/y
const BYTES = /:([A-Za-z0-9+/=]*):/y
const BOOLEAN = /\?([01])/y
const DATE = /@(-?\d{1,15})(?!\.)/y

class Parser {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  dictionary(): Dictionary {
    const members = new Map<string, BareItem | { kind: 'inner-list' }>()
    this.#skip(' ')
    while (!this.#isAtEnd()) {
      const name = this.#take(KEY)[0]
      // A member without value is true (§3.2). Parameters are checked, and mean nothing here.
      const value = this.#accept('=') ? this.#itemOrInnerList() : TRUE
      this.#parameters()
      members.delete(name)
      members.set(name, value)
      this.#skip(' \t')
      if (this.#isAtEnd()) return members
      if (!this.#accept(',')) throw new MalformedError()
      this.#skip(' \t')
      // A comma at the end is malformed (§4.2.2).
      if (this.#isAtEnd()) throw new MalformedError()
    }
    return members
  }

  #itemOrInnerList(): BareItem | { kind: 'inner-list' } {
    if (!this.#accept('(')) return this.#bareItem()
    for (;;) {
      this.#skip(' ')
      if (this.#accept(')')) return { kind: 'inner-list' }
      this.#bareItem()
      this.#parameters()
      if (!' )'.includes(this.#text[this.#at] ?? '\n')) throw new MalformedError()
    }
  }

  #parameters(): void {
    while (this.#accept(';')) {
      this.#skip(' ')
      this.#take(KEY)
      if (this.#accept('=')) this.#bareItem()
    }
  }

  #bareItem(): BareItem {
    const first = this.#text[this.#at] ?? ''
    if (/[-\d]/.test(first)) return this.#number()
    if (first === '"') {
      return { kind: 'string', value: this.#take(STRING)[1]!.replace(/\\(.)/g, '$1') }
    }
    if (first === ':') {
      return { kind: 'bytes', value: Buffer.from(this.#take(BYTES)[1]!, 'base64') }
    }
    if (first === '?') return { kind: 'boolean', value: this.#take(BOOLEAN)[1] === '1' }
    if (first === '@') return { kind: 'date', value: Number(this.#take(DATE)[1]) }
    return { kind: 'token', value: this.#take(TOKEN)[0] }
  }

  #number(): BareItem {
    const [whole = '', fraction] = this.#take(NUMBER)[0].split('.')
    const digits = whole.replace('-', '').length
    // At most 15 digits, or 12 and 3 after the point (§3.3.1, §3.3.2).
    if (fraction === undefined) {
      if (digits > 15) throw new MalformedError()
      return { kind: 'integer', value: Number(whole) }
    }
    if (digits > 12 || fraction.length > 3) throw new MalformedError()
    return { kind: 'decimal', value: Number(`${whole}.${fraction}`) }
  }

  #take(pattern: RegExp): RegExpExecArray {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match === null) throw new MalformedError()
    this.#at = pattern.lastIndex
    return match
  }

  #accept(char: string): boolean {
    if (this.#text[this.#at] !== char) return false
    this.#at++
    return true
  }

  #skip(chars: string): void {
    while (this.#at < this.#text.length && chars.includes(this.#text[this.#at]!)) this.#at++
  }

  #isAtEnd(): boolean {
    return this.#at >= this.#text.length
  }
}

const TRUE: BareItem = { kind: 'boolean', value: true }
