import fc from 'fast-check'
import { expect, it } from 'vitest'
import { LineSplitter, MAX_LINE_BYTES } from './line-splitter.ts'

function split(chunks: readonly (string | Buffer)[]): string[] {
  const lines: string[] = []
  const splitter = new LineSplitter(line => lines.push(line))
  for (const chunk of chunks) splitter.push(Buffer.from(chunk))
  splitter.flush()
  return lines
}

it('gives the same lines however the bytes are cut', () => {
  const text = fc.array(
    fc.string({ unit: 'grapheme' }).map(line => line.replace(/[\r\n]/g, '') || '-'),
  )
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 9 }), (lines, size) => {
      const bytes = Buffer.from(lines.map(line => `${line}\n`).join(''))
      const chunks: Buffer[] = []
      for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size))
      expect(split(chunks)).toEqual(lines)
    }),
  )
})

it('hands out an unfinished line when told to flush, once', () => {
  const lines: string[] = []
  const splitter = new LineSplitter(line => lines.push(line))
  splitter.push(Buffer.from('a\r\n\nb'))
  expect(lines).toEqual(['a', ''])
  splitter.flush()
  splitter.flush()
  expect(lines).toEqual(['a', '', 'b'])
})

it('cuts a line that does not end', () => {
  const lines = split(['x'.repeat(MAX_LINE_BYTES + 10), '\nshort\n'])
  expect(lines.map(line => line.length)).toEqual([MAX_LINE_BYTES, 10, 5])
})
