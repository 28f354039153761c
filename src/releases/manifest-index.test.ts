import fc from 'fast-check'
import { expect, test } from 'vitest'
import { emptyDraft, encodeManifest, type ReleaseFile, type ReleaseManifest } from './manifest.ts'
import { indexManifest } from './manifest-index.ts'

const manifest = (files: Record<string, ReleaseFile>): ReleaseManifest => ({
  ...emptyDraft('site'),
  id: 'r-1',
  createdMs: 5,
  files,
  redirects: [{ from: '/x', to: '/{"files":{}}' }],
  headers: [{ for: '/*', values: { 'X-A': '"}' } }],
  source: { message: 'a "quoted" \\ word' },
})

const hash = fc.string({ unit: fc.constantFrom('0', 'a', 'f'), minLength: 64, maxLength: 64 })
const file: fc.Arbitrary<ReleaseFile> = fc.record(
  {
    sha256: hash,
    size: fc.nat(),
    type: fc.constantFrom('text/html; charset=utf-8', 'odd/"type"', 'brace/}'),
    immutable: fc.constant(true as const),
    encoded: fc.record({ br: fc.record({ sha256: hash, size: fc.nat() }) }),
  },
  { requiredKeys: ['sha256', 'size', 'type'] },
)
const path = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom('/', '"', '\\', '{', '}', 'é', '\u2028', '_') }),
  fc.constantFrom('/index.html', '__proto__', 'constructor', ''),
)

/** Longer than the manifest; of many, some meet a key in the table. */
const LONG = Array.from({ length: 8 }, (_, i) => `/${i}`.repeat(20_000))

test('the files are those of the manifest, and no others, whatever their paths', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(path, file), { maxLength: 40 }), path, (pairs, other) => {
      const files = Object.fromEntries(pairs)
      const whole = manifest(files)
      const indexed = indexManifest(Buffer.from(encodeManifest(whole)))
      const expected = new Map(Object.entries(files))
      expect(new Map(indexed.files.entries())).toEqual(expected)
      expect(indexed.files.size).toBe(expected.size)
      for (const [name, each] of expected) expect(indexed.files.get(name)).toEqual(each)
      for (const name of [...expected.keys(), other, 'files', '/index.htm', ...LONG]) {
        expect(indexed.files.has(name)).toBe(expected.has(name))
        expect(indexed.files.get(name)).toEqual(expected.get(name))
      }
      const { files: _files, ...head } = whole
      expect(indexed.head).toEqual(head)
    }),
  )
})

test('bytes that end early are refused', () => {
  const bytes = Buffer.from(encodeManifest(manifest({ '/a': { sha256: 'a', size: 1, type: 'b' } })))
  for (let end = 0; end < bytes.length; end++) {
    expect(() => indexManifest(bytes.subarray(0, end))).toThrow()
  }
})

test('what is kept of 20,000 files beyond their bytes is less than 100 octets each', () => {
  const count = 20_000
  const each = { sha256: 'a'.repeat(64), size: 1, type: 'text/html' }
  const files = Object.fromEntries(Array.from({ length: count }, (_, i) => [`/p/${i}.html`, each]))
  const bytes = Buffer.from(encodeManifest(manifest(files)))
  const before = process.memoryUsage().arrayBuffers
  const indexed = indexManifest(bytes)
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100 * count)
  expect(indexed.files.get('/p/19999.html')).toEqual(each)
})
