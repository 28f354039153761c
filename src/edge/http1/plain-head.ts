import { Fields } from '../../http/fields.ts'
import type { PlainRequest } from '../hot/hot-lookup.ts'
import { MAX_FIELD_LINES } from '../site/request-target.ts'

export type HeadOutcome =
  /** A whole head that this parser understands; it ends at `end`. */
  | 'plain'
  /** The text ends before the head does, and is fine so far. */
  | 'partial'
  /** Anything else: malformed, or for node:http to judge. */
  | 'other'

// Characters by what they may be; the tables are indexed by char code, and what is beyond them
// (NaN at the end of the text too) gives undefined.
const TOKEN = table(code => /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(code)))
const VALUE = table(code => code === 9 || (code >= 0x20 && code !== 0x7f))
/** Visible ASCII without "#". */
const TARGET = table(code => code > 0x20 && code < 0x7f && code !== 0x23)

const CR = 13
const LF = 10
const SPACE = 32
const TAB = 9
const COLON = 58
const SLASH = 47

/** What a field of this name means to the parser. */
type FieldRole =
  | 'host'
  | 'connection'
  | 'accept-encoding'
  | 'if-none-match'
  | 'if-modified-since'
  | 'user-agent'
  | 'referer'
  | 'x-forwarded-for'
  /** It may change the answer, in a way that memory does not look at. */
  | 'rare'

/**
 * Names that matter. `undefined`: a request with it is not plain, for it has a body, or wants
 * something of the connection. All other fields cannot change the answer from memory, nor where
 * the request ends.
 */
const NAMES: readonly (readonly [string, FieldRole | undefined])[] = [
  ['host', 'host'],
  ['connection', 'connection'],
  ['accept-encoding', 'accept-encoding'],
  ['if-none-match', 'if-none-match'],
  ['if-modified-since', 'if-modified-since'],
  ['user-agent', 'user-agent'],
  ['referer', 'referer'],
  ['x-forwarded-for', 'x-forwarded-for'],
  ['authorization', 'rare'],
  ['content-length', undefined],
  ['expect', undefined],
  ['if-match', 'rare'],
  ['if-range', 'rare'],
  ['if-unmodified-since', 'rare'],
  // A third spelling of Connection to node:http's parser.
  ['proxy-connection', undefined],
  ['range', 'rare'],
  ['transfer-encoding', undefined],
  ['upgrade', undefined],
]

/** By length and first letter, which few names share: most fields are done with after one look. */
const BY_SHAPE: (readonly (typeof NAMES)[number][] | undefined)[] = []
for (const entry of NAMES) {
  const shape = shapeOf(entry[0].length, entry[0].charCodeAt(0))
  BY_SHAPE[shape] = [...(BY_SHAPE[shape] ?? []), entry]
}

/** Where the lines of the head that was read last begin and end. What is beyond an end is dropped. */
const MAX_MARKED = 128
const STARTS = new Int32Array(MAX_MARKED)
const ENDS = new Int32Array(MAX_MARKED)

/**
 * The strict parser of plain GET and HEAD requests: one pass over the text, no regular expression,
 * nothing allocated but the values that are asked for. One object serves all requests.
 */
export class PlainHead implements PlainRequest {
  isHead = false
  wantsClose = false
  /** Whether memory may be asked: no field was left out that could matter. */
  mayBeHot = true
  peerAddress = ''
  isSecure = false
  /** Where the head ended in the text, after its empty line. */
  end = 0
  #text = ''
  #targetStart = 0
  #targetEnd = 0
  #fieldsStart = 0
  #fieldCount = 0
  #host: string | undefined
  #connection: string | undefined
  #acceptEncoding: string | undefined
  #ifNoneMatch: string | undefined
  #ifModifiedSince: string | undefined
  userAgent: string | undefined
  referrer: string | undefined
  forwardedFor: string | undefined

  get target(): string {
    return this.#text.slice(this.#targetStart, this.#targetEnd)
  }

  get host(): string {
    return this.#host ?? ''
  }

  get acceptEncoding(): string | undefined {
    return this.#acceptEncoding
  }

  get ifNoneMatch(): string | undefined {
    return this.#ifNoneMatch
  }

  get ifModifiedSince(): string | undefined {
    return this.#ifModifiedSince
  }

  field(name: string): string | undefined {
    if (this.#fieldCount > MAX_MARKED) return this.fields().get(name)
    const text = this.#text
    let value: string | undefined
    for (let i = 0; i < this.#fieldCount; i++) {
      const start = STARTS[i]!
      const nameEnd = start + name.length
      if (text.charCodeAt(nameEnd) !== COLON || !equalsLowerCase(text, start, name)) continue
      const line = trimBlanks(text, nameEnd + 1, ENDS[i]!)
      value = value === undefined ? line : `${value}, ${line}`
    }
    return value
  }

  fields(): Fields {
    const fields = new Fields()
    const lines = this.#text.slice(this.#fieldsStart, this.end - 4).split('\r\n')
    for (const line of lines) {
      const colon = line.indexOf(':')
      fields.append(line.slice(0, colon), trimBlanks(line, colon + 1, line.length))
    }
    return fields
  }

  /** Reads one head from `start`. What it found is valid until the next call. */
  read(text: string, start: number): HeadOutcome {
    this.#text = text
    this.#host = undefined
    this.#connection = undefined
    this.#acceptEncoding = undefined
    this.#ifNoneMatch = undefined
    this.#ifModifiedSince = undefined
    this.userAgent = undefined
    this.referrer = undefined
    this.forwardedFor = undefined
    this.wantsClose = false
    this.mayBeHot = true
    const afterMethod = this.#readMethod(text, start)
    if (afterMethod < 0) return afterMethod === PARTIAL ? 'partial' : 'other'
    const afterLine = this.#readTarget(text, afterMethod)
    if (afterLine < 0) return afterLine === PARTIAL ? 'partial' : 'other'
    this.#fieldsStart = afterLine
    const end = this.#readFields(text, afterLine)
    if (end < 0) return end === PARTIAL ? 'partial' : 'other'
    this.end = end
    return this.#judge()
  }

  #judge(): HeadOutcome {
    if (this.#host === undefined || this.#fieldCount > MAX_FIELD_LINES) return 'other'
    const connection = this.#connection
    if (connection !== undefined) {
      const wanted = connection.toLowerCase()
      if (wanted === 'close') this.wantsClose = true
      else if (wanted !== 'keep-alive') return 'other'
    }
    return 'plain'
  }

  #readMethod(text: string, start: number): number {
    if (text.charCodeAt(start) === 0x47) {
      this.isHead = false
      return expectText(text, start, 'GET ')
    }
    this.isHead = true
    return expectText(text, start, 'HEAD ')
  }

  /** Origin-form, and the version, and the end of the line. */
  #readTarget(text: string, start: number): number {
    let at = start
    let code = text.charCodeAt(at)
    if (code !== SLASH) return at >= text.length ? PARTIAL : OTHER
    do code = text.charCodeAt(++at)
    while (TARGET[code] === 1)
    if (code !== SPACE) return at >= text.length ? PARTIAL : OTHER
    this.#targetStart = start
    this.#targetEnd = at
    return expectText(text, at, ' HTTP/1.1\r\n')
  }

  #readFields(text: string, start: number): number {
    let at = start
    this.#fieldCount = 0
    for (;;) {
      const nameStart = at
      let code = text.charCodeAt(at)
      if (code === CR) {
        if (text.charCodeAt(at + 1) === LF) return at + 2
        return at + 1 >= text.length ? PARTIAL : OTHER
      }
      while (TOKEN[code] === 1) code = text.charCodeAt(++at)
      if (code !== COLON || at === nameStart) return at >= text.length ? PARTIAL : OTHER
      const nameEnd = at
      do code = text.charCodeAt(++at)
      while (code === SPACE || code === TAB)
      const valueStart = at
      while (VALUE[code] === 1) code = text.charCodeAt(++at)
      if (code !== CR) return at >= text.length ? PARTIAL : OTHER
      if (text.charCodeAt(at + 1) !== LF) return at + 1 >= text.length ? PARTIAL : OTHER
      if (!this.#take(text, nameStart, nameEnd, valueStart, at)) return OTHER
      STARTS[this.#fieldCount] = nameStart
      ENDS[this.#fieldCount++] = at
      at += 2
    }
  }

  /** False: with this field the request is not plain. */
  #take(
    text: string,
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
  ): boolean {
    const candidates = BY_SHAPE[shapeOf(nameEnd - nameStart, text.charCodeAt(nameStart))]
    if (candidates === undefined) return true
    for (const [name, role] of candidates) {
      if (equalsLowerCase(text, nameStart, name)) {
        return role !== undefined && this.#set(role, trimBlanks(text, valueStart, valueEnd))
      }
    }
    return true
  }

  /** False where the field was there before. */
  #set(role: FieldRole, value: string): boolean {
    switch (role) {
      case 'host':
        if (this.#host !== undefined) return false
        this.#host = value
        return true
      case 'connection':
        if (this.#connection !== undefined) return false
        this.#connection = value
        return true
      case 'accept-encoding':
        if (this.#acceptEncoding !== undefined) return false
        this.#acceptEncoding = value
        return true
      case 'if-none-match':
        if (this.#ifNoneMatch !== undefined) return false
        this.#ifNoneMatch = value
        return true
      case 'if-modified-since':
        if (this.#ifModifiedSince !== undefined) return false
        this.#ifModifiedSince = value
        return true
      // Of these nothing depends.
      case 'user-agent':
        this.userAgent = value
        return true
      case 'referer':
        this.referrer = value
        return true
      case 'x-forwarded-for':
        this.forwardedFor =
          this.forwardedFor === undefined ? value : `${this.forwardedFor}, ${value}`
        return true
      case 'rare':
        this.mayBeHot = false
        return true
    }
  }
}

const PARTIAL = -1
const OTHER = -2

/** Where `expected` ends in the text, or why not. */
function expectText(text: string, start: number, expected: string): number {
  if (text.startsWith(expected, start)) return start + expected.length
  const isCut = text.length - start < expected.length && expected.startsWith(text.slice(start))
  return isCut ? PARTIAL : OTHER
}

/** Whether a name stands there, in any case. `name` is of letters, digits and "-". */
function equalsLowerCase(text: string, start: number, name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    // Of what may stand in a name, only a letter's other case becomes that letter by this bit.
    if ((text.charCodeAt(start + at) | 0x20) !== name.charCodeAt(at)) return false
  }
  return true
}

/** Without spaces and tabs at either end (RFC 9110 §5.5). */
function trimBlanks(text: string, start: number, end: number): string {
  let from = start
  let to = end
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--
  while (from < to && isBlank(text.charCodeAt(from))) from++
  return text.slice(from, to)
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB
}

function shapeOf(length: number, firstCode: number): number {
  return (Math.min(length, 31) << 8) | (firstCode | 0x20)
}

function table(holds: (code: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (holds(code) ? 1 : 0))
}
