/** Both ends are included, as on the wire. */
export interface ByteRange {
  first: number
  last: number
}

export type RangeOutcome =
  /** No Range, another unit, malformed, or not worth it: the whole representation. */
  | { kind: 'whole' }
  | { kind: 'ranges'; ranges: readonly [ByteRange, ...ByteRange[]] }
  /** 416 with Content-Range naming the size only. */
  | { kind: 'unsatisfiable' }

/** A browser asks for one; PDF viewers for some. More is an attack (RFC 9110 §14.2, §17.15). */
const MAX_RANGES = 32

const RANGE_SPEC = /^(?:(\d+)-(\d*)|-(\d+))$/

/** What a Range field asks of a representation of `size` bytes (RFC 9110 §14.1.2). */
export function parseRange(value: string | undefined, size: number): RangeOutcome {
  const whole: RangeOutcome = { kind: 'whole' }
  const match = value === undefined ? null : /^\s*bytes\s*=(.*)$/is.exec(value)
  if (match === null) return whole
  const specs = match[1]!
    .split(',')
    .map(spec => spec.trim())
    .filter(spec => spec !== '')
  if (specs.length === 0 || specs.length > MAX_RANGES) return whole
  const ranges: ByteRange[] = []
  for (const spec of specs) {
    const range = parseSpec(spec, size)
    if (range === 'malformed') return whole
    if (range !== undefined) ranges.push(range)
  }
  const [head, ...tail] = ranges
  if (head === undefined) return { kind: 'unsatisfiable' }
  // Ranges that overlap so much that they sum up to more than the whole are not worth it.
  const total = ranges.reduce((sum, range) => sum + range.last - range.first + 1, 0)
  return tail.length > 0 && total > size ? whole : { kind: 'ranges', ranges: [head, ...tail] }
}

function parseSpec(spec: string, size: number): ByteRange | 'malformed' | undefined {
  const match = RANGE_SPEC.exec(spec)
  if (match === null) return 'malformed'
  const [, firstText, lastText, suffixText] = match
  if (suffixText !== undefined) {
    const suffix = Number(suffixText)
    // A suffix of 0 bytes, or of an empty representation, is unsatisfiable.
    if (suffix === 0 || size === 0) return undefined
    return { first: Math.max(0, size - suffix), last: size - 1 }
  }
  const first = Number(firstText)
  const last = lastText === '' ? Number.POSITIVE_INFINITY : Number(lastText)
  if (last < first) return 'malformed'
  return first >= size ? undefined : { first, last: Math.min(last, size - 1) }
}

export function formatContentRange(range: ByteRange, size: number): string {
  return `bytes ${range.first}-${range.last}/${size}`
}

export function formatUnsatisfiedRange(size: number): string {
  return `bytes */${size}`
}

export interface MultipartLayout {
  contentType: string
  /** Text before each range's bytes, in order. */
  heads: readonly string[]
  end: string
  sizeBytes: number
}

/** How several ranges go into one multipart/byteranges body (RFC 9110 §14.6). */
export function layOutMultipart(
  ranges: readonly ByteRange[],
  size: number,
  contentType: string,
  boundary: string,
): MultipartLayout {
  const heads = ranges.map(
    (range, index) =>
      `${index === 0 ? '' : '\r\n'}--${boundary}\r\ncontent-type: ${contentType}\r\n` +
      `content-range: ${formatContentRange(range, size)}\r\n\r\n`,
  )
  const end = `\r\n--${boundary}--\r\n`
  let sizeBytes = Buffer.byteLength(end, 'latin1')
  for (const [index, range] of ranges.entries()) {
    sizeBytes += Buffer.byteLength(heads[index]!, 'latin1') + range.last - range.first + 1
  }
  return { contentType: `multipart/byteranges; boundary=${boundary}`, heads, end, sizeBytes }
}
