import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type EdgeFixture, openEdgeFixture } from './testing/edge-fixture.ts'

let fixture: EdgeFixture
beforeEach(async () => {
  fixture = await openEdgeFixture()
})
afterEach(() => fixture.close())

const PAGE = '<h1>home</h1>'

describe('files', () => {
  test('serves a page with its type, tag, dates, cache and security fields', async () => {
    fixture.deploy({ files: { '/index.html': PAGE } })
    const response = await fixture.get('/')
    expect(response.status).toBe(200)
    expect(response.text).toBe(PAGE)
    expect(response.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-length': String(PAGE.length),
      'cache-control': 'public, max-age=0, must-revalidate',
      etag: expect.stringMatching(/^"[0-9a-f]{32}"$/),
      'last-modified': 'Wed, 01 Jan 2025 00:00:00 GMT',
      'accept-ranges': 'bytes',
      vary: 'Accept-Encoding',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'strict-origin-when-cross-origin',
      'x-frame-options': 'SAMEORIGIN',
      'x-moka-release': 'r-1',
      'cache-status': '"mokapot"; fwd=uri-miss; stored',
      via: '1.1 mokapot',
      'server-timing': expect.stringMatching(/^edge;dur=\d+\.\d$/),
    })
    const again = await fixture.get('/')
    expect(again.headers).toMatchObject({ 'cache-status': '"mokapot"; hit', age: '0' })
  })

  test('an immutable file is cached for a year', async () => {
    fixture.deploy({ files: { '/a.1f.css': 'a{}' }, immutable: ['/a.1f.css'] })
    const { headers } = await fixture.get('/a.1f.css')
    expect(headers['cache-control']).toBe('public, max-age=31536000, immutable')
  })

  test('HEAD tells what GET would, without bytes', async () => {
    fixture.deploy({ files: { '/index.html': PAGE } })
    const response = await fixture.get('/', { method: 'HEAD' })
    expect(response).toMatchObject({ status: 200, text: '' })
    expect(response.headers['content-length']).toBe(String(PAGE.length))
  })

  test('answers 304 to its own tag and to its very date, not to a later date', async () => {
    fixture.deploy({ files: { '/index.html': PAGE } })
    const first = await fixture.get('/')
    const etag = first.headers.etag as string
    const same = await fixture.get('/', { headers: { 'if-none-match': `W/${etag}` } })
    expect(same).toMatchObject({ status: 304, text: '' })
    expect(same.headers.etag).toBe(etag)
    expect(same.headers['content-type']).toBeUndefined()
    const date = { 'if-modified-since': first.headers['last-modified'] as string }
    expect((await fixture.get('/', { headers: date })).status).toBe(304)
    const later = { 'if-modified-since': 'Thu, 02 Jan 2025 00:00:00 GMT' }
    expect((await fixture.get('/', { headers: later })).status).toBe(200)
    expect((await fixture.get('/', { headers: { 'if-match': '"other"' } })).status).toBe(412)
  })

  test('sends br, gzip or the file itself, each with its own tag', async () => {
    fixture.deploy({ files: { '/a.css': 'a{color:red}' }, encoded: ['/a.css'] })
    const plain = await fixture.get('/a.css')
    const br = await fixture.get('/a.css', { headers: { 'accept-encoding': 'gzip, br' } })
    const gzip = await fixture.get('/a.css', { headers: { 'accept-encoding': 'gzip, br;q=0' } })
    expect([plain, br, gzip].map(r => r.headers['content-encoding'])).toEqual([
      undefined,
      'br',
      'gzip',
    ])
    expect(new Set([plain, br, gzip].map(r => r.headers.etag)).size).toBe(3)
    expect(plain.text).toBe('a{color:red}')
    expect(br.text).toBe('br of a{color:red}')
    expect(gzip.text).toBe('gzip of a{color:red}')
  })

  test('sends one range, several, and 416', async () => {
    fixture.deploy({ files: { '/t.txt': '0123456789' }, encoded: ['/t.txt'] })
    const range = (value: string) =>
      fixture.get('/t.txt', { headers: { range: value, 'accept-encoding': 'br' } })
    const one = await range('bytes=2-4')
    expect(one).toMatchObject({ status: 206, text: '234' })
    expect(one.headers['content-range']).toBe('bytes 2-4/10')
    expect(one.headers['content-encoding']).toBeUndefined()
    const several = await range('bytes=0-0,-1')
    expect(several.status).toBe(206)
    expect(several.headers['content-type']).toMatch(/^multipart\/byteranges; boundary=/)
    expect(several.headers['content-length']).toBe(String(several.text.length))
    expect(several.text).toMatch(/content-range: bytes 0-0\/10\r\n\r\n0\r\n--/)
    expect(several.text).toMatch(/content-range: bytes 9-9\/10\r\n\r\n9\r\n--/)
    const none = await range('bytes=10-')
    expect(none.status).toBe(416)
    expect(none.headers['content-range']).toBe('bytes */10')
    expect((await range('bytes=nonsense')).status).toBe(200)
  })

  test('streams a large file whole and in ranges', async () => {
    const large = Buffer.alloc(3 * 1024 * 1024, 'abcdefgh')
    fixture.deploy({ files: { '/large.bin': large } })
    const whole = await fixture.get('/large.bin')
    expect(whole.bytes.equals(large)).toBe(true)
    const parts = await fixture.get('/large.bin', {
      headers: { range: 'bytes=8-10,2000000-2000001' },
    })
    expect(parts.status).toBe(206)
    expect(parts.text).toContain('\r\n\r\nabc\r\n--')
    expect(parts.headers['content-length']).toBe(String(parts.bytes.length))
    const tail = await fixture.get('/large.bin', { headers: { range: 'bytes=-3' } })
    expect(tail).toMatchObject({ status: 206, text: 'fgh' })
  })

  test('answers 500, and never half a file, where a blob is missing, short or altered', async () => {
    const large = Buffer.alloc(2 * 1024 * 1024, 'x')
    fixture.deploy({ files: { '/gone.txt': 'gone', '/short.bin': large, '/bent.txt': 'straight' } })
    await fixture.damage('gone', undefined)
    await fixture.damage(large, large.subarray(1))
    await fixture.damage('straight', 'crooked!')
    for (const path of ['/gone.txt', '/short.bin', '/bent.txt']) {
      const response = await fixture.get(path)
      expect(response.status, path).toBe(500)
      expect(response.text).not.toContain('blob')
    }
    expect(fixture.log.filter(line => line.startsWith('error'))).toHaveLength(3)
  })

  test('other methods get 405, OPTIONS 204, each with Allow', async () => {
    fixture.deploy({ files: { '/index.html': PAGE } })
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'TRACE']) {
      const response = await fixture.get('/', { method })
      expect(response.status, method).toBe(405)
      expect(response.headers.allow).toBe('GET, HEAD, OPTIONS')
    }
    const response = await fixture.get('/', { method: 'OPTIONS' })
    expect(response.status).toBe(204)
    expect(response.headers.allow).toBe('GET, HEAD, OPTIONS')
  })
})

describe('pretty URLs and 404', () => {
  test('redirects to the canonical form and keeps the query', async () => {
    fixture.deploy({ files: { '/about/index.html': 'a', '/team.html': 't' } })
    const to = async (path: string) => {
      const { status, headers } = await fixture.get(path)
      return `${status} ${headers.location}`
    }
    expect(await to('/about?x=1&y')).toBe('301 /about/?x=1&y')
    expect(await to('/about/index.html')).toBe('301 /about/')
    expect(await to('/team.html?')).toBe('301 /team?')
    expect((await fixture.get('/team')).text).toBe('t')
  })

  test('non-ASCII paths are found and redirected in their encoded form', async () => {
    fixture.deploy({ files: { '/über uns/index.html': 'ü' } })
    const moved = await fixture.get('/%C3%BCber%20uns')
    expect(moved.headers.location).toBe('/%C3%BCber%20uns/')
    expect((await fixture.get('/%c3%bcber%20uns/')).text).toBe('ü')
  })

  test("shows the site's 404 page with status 404, whatever a header rule says of caching", async () => {
    fixture.deploy({
      files: { '/404.html': 'lost' },
      headers: [{ for: '/*', values: { 'Cache-Control': 'max-age=9', 'X-A': 'b' } }],
    })
    for (const path of ['/nothing', '/404.html', '/404']) {
      const response = await fixture.get(path)
      expect(response).toMatchObject({ status: 404, text: 'lost' })
      expect(response.headers).toMatchObject({ 'cache-control': 'no-cache', 'x-a': 'b' })
      expect(response.headers.etag).toBeUndefined()
    }
  })

  test('has a page of its own where the site has none', async () => {
    fixture.deploy({ files: {} })
    const html = await fixture.get('/nothing', { headers: { accept: 'text/html' } })
    expect(html.status).toBe(404)
    expect(html.text).toContain('<h1>Not found</h1>')
    expect((await fixture.get('/nothing')).headers['content-type']).toMatch(/^text\/plain/)
  })
})

describe('releases', () => {
  test('a switch changes every answer at once, without a flush', async () => {
    fixture.deploy({ id: 'r-1', files: { '/index.html': 'one' } })
    expect((await fixture.get('/')).text).toBe('one')
    fixture.deploy({ id: 'r-2', files: { '/index.html': 'two' } })
    const response = await fixture.get('/')
    expect(response.text).toBe('two')
    expect(response.headers['x-moka-release']).toBe('r-2')
  })

  test('an earlier release gives only its immutable files, before a catch-all rewrite', async () => {
    const old = fixture.release({
      id: 'r-1',
      files: { '/a.1.js': 'old', '/page.html': 'old page', '/b.1.js': 'old b' },
      immutable: ['/a.1.js', '/b.1.js'],
    })
    fixture.deploy({
      id: 'r-2',
      retained: [old],
      files: { '/index.html': 'app', '/b.1.js': 'new b' },
      redirects: [{ from: '/*', path: '/*', to: '/index.html', status: 200 }],
    })
    const asset = await fixture.get('/a.1.js')
    expect(asset.text).toBe('old')
    expect(asset.headers['x-moka-release']).toBe('r-1')
    expect((await fixture.get('/b.1.js')).text).toBe('new b')
    expect((await fixture.get('/page')).text).toBe('app')
  })
})

describe('hosts', () => {
  test('with two sites each answers its hosts, and others get 421', async () => {
    fixture.deploy({ project: 'a', hosts: ['a.test'], files: { '/index.html': 'A' } })
    fixture.deploy({ project: 'b', hosts: ['b.test'], files: { '/index.html': 'B' } })
    const host = (name: string) => fixture.get('/', { headers: { host: name } })
    expect((await host('a.test:8080')).text).toBe('A')
    expect((await host('B.TEST.')).text).toBe('B')
    expect((await host('c.test')).status).toBe(421)
    expect((await host('a..test')).status).toBe(400)
  })

  test('before the first deploy every path says so', async () => {
    expect((await fixture.get('/')).status).toBe(503)
  })
})
