import { expect, it } from 'vitest'
import { encodeRelease, MAX_RELEASE_BYTES } from './encode-release.ts'
import { formatLive, parseLive, previewEntries, retiredKeys } from './live.ts'
import { basePath, ENTRY_BYTES, type IndexedFile } from './path-index.ts'
import { batches, bytesOf, MAX_BATCH_KEYS, MAX_VALUE_BYTES, pageKey, piecesOf } from './store.ts'

const filesOf = (count: number, folder = 'r-1') =>
  new Map<string, IndexedFile>(
    Array.from({ length: count }, (_, number) => [
      `/section-${number % 97}/page-${number}.html`,
      { folder, isImmutable: false },
    ]),
  )
const encode = (more: Partial<Parameters<typeof encodeRelease>[0]> = {}) =>
  encodeRelease({ id: 'r-9', files: filesOf(3), redirects: [], headers: [], ...more })

it('has all forms of an address in one place', () => {
  for (const forms of [
    ['/a', '/a/', '/a.html', '/a/index.html', '/a/index', '/a.html/'],
    ['/', '/index.html', '/index', '/.html', '/index/index.html'],
    ['/a.b', '/a.b/', '/a.b.html', '/a.b/index.html'],
  ]) {
    expect(new Set(forms.map(basePath)).size).toBe(1)
  }
  expect(basePath('/a')).not.toBe(basePath('/b'))
})

it('fits ten thousand files in values of 1,024 bytes, at some 11 bytes a file', () => {
  const { entries, head, sizeBytes } = encode({ files: filesOf(10_000) })
  for (const value of entries.values()) expect(bytesOf(value)).toBeLessThanOrEqual(MAX_VALUE_BYTES)
  expect(sizeBytes).toBeLessThan(10_000 * ENTRY_BYTES * 1.1)
  expect(head.n).toBeGreaterThan(10_000 * (ENTRY_BYTES / MAX_VALUE_BYTES))
})

it('is the same for the same release', () => {
  expect([...encode().entries]).toEqual([...encode().entries])
})

it('refuses a release that leaves no room for another, and says how many files fit', () => {
  const files = filesOf(Math.ceil(MAX_RELEASE_BYTES / ENTRY_BYTES) + 1)
  expect(() => encode({ files })).toThrow(
    expect.objectContaining({
      code: 'AWS_RELEASE_TOO_LARGE',
      hint: expect.stringMatching(/deploy 2\d\d\d\d\d files at most/),
    }),
  )
})

it('refuses an id that is no release', () => {
  expect(() => encode({ id: 'live' })).toThrow(expect.objectContaining({ code: 'AWS_RELEASE_ID' }))
  expect(() => encode({ files: filesOf(1, 'r-99999999') })).toThrow(/r-99999999/)
})

it('refuses a redirect that no value holds, naming it', () => {
  const to = `/${'x'.repeat(1100)}`
  expect(() => encode({ redirects: [{ from: '/long', to }] })).toThrow(
    expect.objectContaining({
      code: 'AWS_REDIRECT_TOO_LONG',
      message: expect.stringContaining('"/long"'),
    }),
  )
})

it('takes thousands of redirects by path, and some hundred by pattern', () => {
  const redirects = Array.from({ length: 5000 }, (_, n) => ({ from: `/old/${n}`, to: `/new/${n}` }))
  expect(encode({ redirects }).head).toMatchObject({ c: 0, x: expect.any(Number) })
  const patterns = redirects.map(({ from, to }) => ({ from: `${from}/*`, to: `${to}/:splat` }))
  expect(encode({ redirects: patterns.slice(0, 200) }).head.c).toBeLessThan(20)
  expect(() => encode({ redirects: patterns })).toThrow(
    expect.objectContaining({ code: 'AWS_REDIRECTS_TOO_MANY' }),
  )
})

it('reads rules in order where one path has more than a value holds', () => {
  const redirects = Array.from({ length: 60 }, (_, n) => ({
    from: '/here',
    to: `/there/${n}`,
    conditions: { Country: [`c${n}`] },
  }))
  const { head } = encode({ redirects })
  expect([head.x, head.c > 1]).toEqual([0, true])
})

it('refuses rules of _headers that each answer would have to read for long', () => {
  const headers = [{ for: '/*', values: { 'x-long': 'y'.repeat(20_000) } }]
  expect(() => encode({ headers })).toThrow(
    expect.objectContaining({ code: 'AWS_HEADERS_TOO_LONG' }),
  )
})

it('leaves out fields that would make an answer a 502', () => {
  const values = { Via: 'x', 'X-Cache': 'x', 'X-Edge-Y': 'x', 'Set-Cookie': 'a=1', 'X-Good': 'yes' }
  const { entries } = encode({ headers: [{ for: '/*', values }] })
  expect(entries.get('r-9:h0')).toBe('[[[[0]],{"x-good":"yes"}]]')
})

it('keeps no password as it is', () => {
  const headers = [{ for: '/*', values: { 'Basic-Auth': 'ann:secret' } }]
  const { entries, head } = encode({ headers })
  expect([...entries.values()].join()).not.toContain('secret')
  expect(head.l).toBe(1)
  const preview = previewEntries('menu', head, { password: 'secret' })
  expect([...preview.values()].join()).not.toContain('secret')
})

it('leaves nothing behind: the keys of a release are those it is retired by, and the pages of errors', () => {
  const { entries, head } = encode({
    files: filesOf(500),
    redirects: [
      { from: '/a', to: '/b' },
      { from: '/a/*', to: '/b' },
    ],
    headers: [{ for: '/*', values: { 'Basic-Auth': 'a:b', 'X-Y': 'z' } }],
    statement: '{}',
  })
  const pages = [400, 401, 404, 405, 503].map(pageKey)
  expect([...retiredKeys(head), ...pages].sort()).toEqual([...entries.keys()].sort())
})

it('reads back which release is live', () => {
  const { head } = encode({ hsts: { maxAgeSeconds: 5, includeSubDomains: true, preload: true } })
  const retained = Array.from({ length: 9 }, (_, n) => ({ ...head, i: `r-${n}` }))
  const live = parseLive(formatLive({ release: head, retained }))
  expect(live.release).toEqual(head)
  expect(live.retained.map(({ i }) => i)).toEqual(['r-0', 'r-1', 'r-2', 'r-3'])
  for (const text of ['', '{}', '{"r":{}}', 'r-1']) {
    expect(() => parseLive(text)).toThrow(expect.objectContaining({ code: 'AWS_LIVE_UNREADABLE' }))
  }
})

it('updates the store in calls of fifty keys, in order', () => {
  const puts = Array.from({ length: 120 }, (_, n) => [`k${n}`, 'v'] as const)
  const calls = batches(puts, ['a', 'b'])
  expect(calls.map(call => call.puts.length + call.deletes.length)).toEqual([50, 50, 22])
  expect(calls.every(call => call.puts.length <= MAX_BATCH_KEYS)).toBe(true)
  expect(calls.flatMap(call => call.puts.map(({ Key }) => Key))).toEqual(puts.map(([key]) => key))
  expect(() => batches([['k', 'x'.repeat(MAX_VALUE_BYTES + 1)]])).toThrow(/1025 of value/)
})

it('cuts a text between characters', () => {
  const text = 'ü日𝒳'.repeat(500)
  const pieces = piecesOf(text)
  expect(pieces.join('')).toBe(text)
  expect(Math.max(...pieces.map(bytesOf))).toBeLessThanOrEqual(MAX_VALUE_BYTES)
})
