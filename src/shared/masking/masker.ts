/** What stands in place of a secret. */
const MASK = '***'
/** Shorter values are words of every text. */
const MIN_CHARS = 6

/**
 * Takes secrets out of texts: the values as they are, and as JSON, URLs and base64 have them. Of a
 * value of several lines each line counts, for logs are cut into lines.
 */
export class Masker {
  readonly #patterns: readonly Pattern[]

  constructor(values: Iterable<string>) {
    const forms = new Set<string>()
    for (const value of values) for (const form of formsOf(value)) forms.add(form)
    this.#patterns = Array.from(forms, text => ({ text, borders: bordersOf(text) }))
  }

  mask(text: string): string {
    if (this.#patterns.length === 0 || text.length < MIN_CHARS) return text
    const found = findAll(text, this.#patterns)
    return found.length === 0 ? text : replaceAll(text, found, 0)
  }

  /** For a text that comes in pieces: what one writes, the secrets across their borders too. */
  stream(): MaskingStream {
    return new MaskingStream(this.#patterns)
  }
}

/**
 * Holds back what may be the beginning of a secret, and no more, until it is known. What it has given
 * out is, joined, what `mask` makes of the whole text.
 */
export class MaskingStream {
  readonly #patterns: readonly Pattern[]
  #held = ''
  /** So many first characters of `#held` belong to a secret whose mask was given out. */
  #covered = 0

  constructor(patterns: readonly Pattern[]) {
    this.#patterns = patterns
  }

  push(text: string): string {
    if (this.#patterns.length === 0) return text
    const whole = this.#held + text
    let cut = whole.length
    for (const pattern of this.#patterns) cut = Math.min(cut, whole.length - openAt(whole, pattern))
    return this.#give(whole, cut)
  }

  /** What is left; nothing follows. */
  end(): string {
    return this.#give(this.#held, this.#held.length)
  }

  #give(whole: string, cut: number): string {
    const known: Range[] = this.#covered === 0 ? [] : [{ start: 0, end: this.#covered }]
    const found = union([...known, ...findAll(whole, this.#patterns)])
    const given = found.filter(({ start }) => start < cut || start < this.#covered)
    const end = given.at(-1)?.end ?? 0
    const masked = replaceAll(
      whole.slice(0, cut),
      given.map(({ start, end }) => ({ start, end: Math.min(end, cut) })),
      this.#covered,
    )
    this.#held = whole.slice(cut)
    this.#covered = Math.max(0, end - cut)
    return masked
  }
}

interface Pattern {
  text: string
  /** For each length of its beginning, the longest border of that (Knuth, Morris and Pratt). */
  borders: Int32Array
}

interface Range {
  start: number
  end: number
}

function findAll(text: string, patterns: readonly Pattern[]): Range[] {
  const found: Range[] = []
  for (const { text: secret } of patterns) {
    for (let at = text.indexOf(secret); at >= 0; at = text.indexOf(secret, at + 1)) {
      found.push({ start: at, end: at + secret.length })
    }
  }
  return union(found)
}

/** Ranges that overlap become one. */
function union(ranges: Range[]): Range[] {
  const merged: Range[] = []
  for (const range of ranges.sort((a, b) => a.start - b.start)) {
    const last = merged.at(-1)
    if (last !== undefined && range.start < last.end) last.end = Math.max(last.end, range.end)
    else merged.push({ ...range })
  }
  return merged
}

/** The mask of a range that begins before `covered` was given out already. */
function replaceAll(text: string, ranges: readonly Range[], covered: number): string {
  let result = ''
  let at = 0
  for (const { start, end } of ranges) {
    result += text.slice(at, start) + (start < covered ? '' : MASK)
    at = end
  }
  return result + text.slice(at)
}

function bordersOf(text: string): Int32Array {
  const borders = new Int32Array(text.length + 1)
  for (let length = 2, border = 0; length <= text.length; length++) {
    while (border > 0 && text[border] !== text[length - 1]) border = borders[border]!
    if (text[border] === text[length - 1]) border++
    borders[length] = border
  }
  return borders
}

/** How much of the text's end is a beginning of the pattern, which is not all of it. */
function openAt(text: string, { text: secret, borders }: Pattern): number {
  let matched = 0
  for (let at = Math.max(0, text.length - secret.length + 1); at < text.length; at++) {
    while (matched > 0 && secret[matched] !== text[at]) matched = borders[matched]!
    if (secret[matched] === text[at]) matched++
  }
  return matched
}

/** A value as it may stand in a text. */
function* formsOf(value: string): Generator<string> {
  const lines = value.split(/\r?\n/).filter(line => !/^-----.*-----$/.test(line.trim()))
  for (const form of new Set([value, value.trim(), ...lines.map(line => line.trim())])) {
    if (form.length < MIN_CHARS) continue
    yield form
    yield JSON.stringify(form).slice(1, -1)
  }
  if (value.length < MIN_CHARS) return
  const bytes = Buffer.from(value)
  const url = encodeURIComponent(bytes.toString()) // without half surrogate pairs
  for (const form of [url, url.replaceAll('%20', '+')]) {
    yield form
    yield form.replace(/%[0-9A-F]{2}/g, code => code.toLowerCase())
  }
  // In base64 three octets are four characters: where it begins among them makes three forms of it.
  for (const skipped of [0, 1, 2]) {
    const padded = Buffer.concat([Buffer.alloc(skipped), bytes])
    const first = Math.ceil((skipped * 8) / 6)
    const whole = Math.floor((padded.length * 8) / 6)
    const form = padded.toString('base64').slice(first, whole)
    yield form
    yield form.replaceAll('+', '-').replaceAll('/', '_')
  }
}
