import { expect, test } from 'vitest'
import { formatContentRange, layOutMultipart, parseRange } from './ranges.ts'

const whole = { kind: 'whole' }
const unsatisfiable = { kind: 'unsatisfiable' }
const ranges = (...list: [number, number][]) => ({
  kind: 'ranges',
  ranges: list.map(([first, last]) => ({ first, last })),
})

test.each([
  [undefined, whole],
  ['bytes=0-0', ranges([0, 0])],
  ['bytes=0-', ranges([0, 99])],
  ['bytes=10-19', ranges([10, 19])],
  ['bytes=90-1000', ranges([90, 99])],
  ['bytes=-5', ranges([95, 99])],
  ['bytes=-1000', ranges([0, 99])],
  ['BYTES = 1-2', ranges([1, 2])],
  ['bytes=0-1, 5-6 ,-1', ranges([0, 1], [5, 6], [99, 99])],
  ['bytes=0-1,200-', ranges([0, 1])],
  ['bytes=100-', unsatisfiable],
  ['bytes=-0', unsatisfiable],
  ['bytes=200-300,400-', unsatisfiable],
  ['bytes=5-4', whole],
  ['bytes=', whole],
  ['bytes=,', whole],
  ['bytes=-', whole],
  ['bytes=a-b', whole],
  ['bytes=1-2x', whole],
  ['bytes=0x1-2', whole],
  ['lines=1-2', whole],
  ['bytes 1-2', whole],
  ['bytes=0-99,0-99', whole],
  ['bytes=99999999999999999999-', unsatisfiable],
  [`bytes=${Array.from({ length: 33 }, (_, i) => `${i}-${i}`).join(',')}`, whole],
])('%s of 100 bytes', (value, expected) => {
  expect(parseRange(value, 100)).toEqual(expected)
})

test('nothing of an empty representation can be had', () => {
  expect(parseRange('bytes=0-', 0)).toEqual(unsatisfiable)
  expect(parseRange('bytes=-1', 0)).toEqual(unsatisfiable)
})

test('writes Content-Range', () => {
  expect(formatContentRange({ first: 0, last: 9 }, 100)).toBe('bytes 0-9/100')
})

test('a multipart layout counts its own length', () => {
  const body = 'abcdefghij'
  const parts = [
    { first: 0, last: 1 },
    { first: 8, last: 9 },
  ]
  const layout = layOutMultipart(parts, 10, 'text/plain', 'B')
  const text =
    parts.map((r, i) => layout.heads[i] + body.slice(r.first, r.last + 1)).join('') + layout.end
  expect(layout.sizeBytes).toBe(text.length)
  expect(text).toBe(
    '--B\r\ncontent-type: text/plain\r\ncontent-range: bytes 0-1/10\r\n\r\nab' +
      '\r\n--B\r\ncontent-type: text/plain\r\ncontent-range: bytes 8-9/10\r\n\r\nij\r\n--B--\r\n',
  )
})
