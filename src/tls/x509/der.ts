/**
 * The part of DER (X.690) that certificates and certificate requests are written in: each function
 * gives one encoded element.
 */

/** Tag bits of elements whose meaning comes from where they stand (X.690 §8.1.2). */
const CONTEXT = 0x80
const CONSTRUCTED = 0x20

function element(tag: number, contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents)
  return Buffer.concat([Buffer.from([tag, ...lengthOctets(content.length)]), content])
}

/** Short form below 128, long form with as few octets as possible above (X.690 §10.1). */
function lengthOctets(length: number): number[] {
  if (length < 0x80) return [length]
  const octets: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest & 0xff)
  return [0x80 | octets.length, ...octets]
}

export const sequence = (...items: readonly Uint8Array[]) => element(0x30, items)
export const setOf = (...items: readonly Uint8Array[]) => element(0x31, items)
export const octetString = (octets: Uint8Array) => element(0x04, [octets])
export const utf8String = (text: string) => element(0x0c, [Buffer.from(text, 'utf8')])
export const boolean = (value: boolean) => element(0x01, [Buffer.from([value ? 0xff : 0])])
/** `[n]` around whole elements. */
export const explicit = (n: number, ...items: readonly Uint8Array[]) =>
  element(CONTEXT | CONSTRUCTED | n, items)
/** `[n]` in the place of a primitive element's own tag. */
export const implicit = (n: number, octets: Uint8Array) => element(CONTEXT | n, [octets])

export function bitString(octets: Uint8Array, unusedBits = 0): Buffer {
  return element(0x03, [Buffer.from([unusedBits]), octets])
}

/** A number that is not negative, as a number or as its octets, most significant first. */
export function integer(value: number | Uint8Array): Buffer {
  const octets = typeof value === 'number' ? Buffer.from(numberOctets(value)) : Buffer.from(value)
  let start = 0
  while (start < octets.length - 1 && octets[start] === 0) start++
  const shortest = octets.subarray(start)
  // A leading 1 bit would read as a minus sign.
  return element(0x02, shortest[0]! >= 0x80 ? [Buffer.from([0]), shortest] : [shortest])
}

function numberOctets(value: number): number[] {
  const octets: number[] = [value & 0xff]
  for (let rest = Math.floor(value / 256); rest > 0; rest = Math.floor(rest / 256)) {
    octets.unshift(rest & 0xff)
  }
  return octets
}

/** `objectIdentifier('2.5.4.3')`. */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const octets = [first * 40 + second, ...rest].flatMap(arc => {
    const digits = [arc & 0x7f]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
      digits.unshift((left & 0x7f) | 0x80)
    }
    return digits
  })
  return element(0x06, [Buffer.from(octets)])
}

/** UTCTime through 2049, GeneralizedTime from then on (RFC 5280 §4.1.2.5). Whole seconds. */
export function time(epochMs: number): Buffer {
  const digits = new Date(epochMs).toISOString().replace(/\.\d+/, '').replace(/[-:T]/g, '')
  const year = Number(digits.slice(0, 4))
  return year < 2050
    ? element(0x17, [Buffer.from(digits.slice(2), 'latin1')])
    : element(0x18, [Buffer.from(digits, 'latin1')])
}
