import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { encodeRelease } from './encode-release.ts'
import { formatLive } from './live.ts'
import { loadFunction } from './testing/function-runtime.ts'
import {
  classicRequestCode,
  classicResponseCode,
  classicUrlCode,
  functionRequestCode,
  MAX_CODE_BYTES,
  viewerRequestCode,
  viewerResponseCode,
} from './viewer-code.ts'

const ask = (uri: string, method = 'GET') => ({
  method,
  uri,
  querystring: {},
  headers: { host: { value: 'example.com' } },
  cookies: {},
})

it('makes code that CloudFront takes', () => {
  for (const code of [
    ...[viewerRequestCode(), viewerResponseCode(), classicUrlCode()],
    ...[functionRequestCode('api'), functionRequestCode('url')],
  ]) {
    expect(Buffer.byteLength(code)).toBeLessThanOrEqual(MAX_CODE_BYTES)
    expect(code).toContain('function handler(')
  }
})

it('leads a request to the folder that its file lies in, in two reads', async () => {
  const files = new Map([['/a b+ü.txt', { folder: 'r-1', isImmutable: false }]])
  const release = { id: 'r-2', files, redirects: [], headers: [] }
  const { head, entries } = encodeRelease(release)
  const store = new Map([...entries, ['live', formatLive({ release: head, retained: [] })]])
  const viewer = loadFunction(viewerRequestCode(), store)
  expect(await viewer.onRequest(ask('/a%20b+%C3%BC.txt'), undefined)).toMatchObject({
    kind: 'request',
    request: { uri: '/releases/r-1/a%20b%2B%C3%BC.txt' },
    reads: ['live', 'r-2:0'],
  })
})

it('inlines what classic mode knows, and says so where it does not fit', async () => {
  const site = {
    paths: ['/index.html', '/about.html', '/docs/index.html', '/logo.png'],
    redirects: [
      { from: '/old', to: '/about' },
      { from: '/*', to: '/index.html', status: 200 },
    ],
    headers: [{ for: '/*', values: { 'X-Site': 'yes' } }],
  }
  const viewer = loadFunction(classicRequestCode(site), new Map())
  const uriOf = async (uri: string) => {
    const result = await viewer.onRequest(ask(uri), undefined)
    return result.kind === 'request' ? result.request.uri : result.response.headers.location?.value
  }
  expect(
    await Promise.all(
      ['/', '/about', '/about/', '/docs', '/old', '/app/1', '/logo.png'].map(uriOf),
    ),
  ).toEqual([
    '/index.html',
    '/about.html',
    '/about',
    '/docs/',
    '/about',
    '/index.html',
    '/logo.png',
  ])
  // Asked for "/" alone, the bucket would list what it has.
  const empty = loadFunction(classicRequestCode({ ...site, paths: [], redirects: [] }), new Map())
  for (const path of ['/', '/docs/']) {
    expect(await empty.onRequest(ask(path), undefined)).toMatchObject({
      request: { uri: `${path}index.html` },
    })
  }
  const gone = [{ from: '/*', to: '/nothing', status: 410 }]
  const refusing = loadFunction(
    classicRequestCode({ ...site, redirects: gone, paths: [] }),
    new Map(),
  )
  expect(await refusing.onRequest(ask('/'), undefined)).toMatchObject({
    request: { uri: '/index.html' },
  })
  const response = await loadFunction(classicResponseCode(site), new Map()).onResponse(
    ask('/about'),
    {
      statusCode: 200,
      headers: { 'x-amz-meta-cache-tag': { value: 'mutable' } },
    },
  )
  expect(response.response.headers['x-site']).toEqual({ value: 'yes' })
  expect(response.response.headers['x-amz-meta-cache-tag']).toBeUndefined()
  const paths = Array.from({ length: 3000 }, (_, number) => `/${number}.html`)
  expect(() => classicRequestCode({ ...site, paths })).toThrow(
    expect.objectContaining({
      code: 'AWS_VIEWER_CODE_TOO_LARGE',
      hint: expect.stringContaining('releases'),
    }),
  )
})

it('says the hash of nothing to a function URL where a request could have a body and has none', async () => {
  const viewer = loadFunction(classicUrlCode(), new Map())
  const hashOf = async (method: string, headers: Record<string, { value: string }> = {}) => {
    const asked = ask('/api/x', method)
    const given = { ...asked, headers: { ...asked.headers, ...headers } }
    const result = await viewer.onRequest(given, 'a=1')
    if (result.kind !== 'request') throw new Error('answered')
    expect(result.request.uri).toBe('/api/x')
    return result.request.headers['x-amz-content-sha256']?.value
  }
  const nothing = createHash('sha256').digest('hex')
  expect(await hashOf('POST')).toBe(nothing)
  expect(await hashOf('DELETE', { 'content-length': { value: '0' } })).toBe(nothing)
  expect(await hashOf('POST', { 'content-length': { value: '3' } })).toBeUndefined()
  expect(await hashOf('PUT', { 'transfer-encoding': { value: 'chunked' } })).toBeUndefined()
  expect(await hashOf('POST', { 'x-amz-content-sha256': { value: 'own' } })).toBe('own')
  expect(await hashOf('GET')).toBeUndefined()
})

it('knows the country of a visitor by the field that CloudFront sets', async () => {
  const redirects = [{ from: '/', to: '/de', status: 302, conditions: { Country: ['DE', 'at'] } }]
  const release = { id: 'r-1', files: new Map(), redirects, headers: [] }
  const { head, entries } = encodeRelease(release)
  const store = new Map([...entries, ['live', formatLive({ release: head, retained: [] })]])
  const viewer = loadFunction(viewerRequestCode(), store)
  const locationFor = async (value: string, cookies = {}) => {
    const headers = { host: { value: 'site.test' }, 'cloudfront-viewer-country': { value } }
    const result = await viewer.onRequest({ ...ask('/'), headers, cookies }, undefined)
    return result.kind === 'response' ? result.response.headers.location?.value : undefined
  }
  const found = await Promise.all(['DE', 'AT', 'FR'].map(value => locationFor(value)))
  expect(found).toEqual(['/de', '/de', undefined])
  expect(await locationFor('DE', { nf_country: { value: 'fr' } })).toBeUndefined()
})

it('asks the bucket for a name as its signature has it', async () => {
  const path = "/it's (a) *star*!.txt"
  const files = new Map([[path, { folder: 'r-1', isImmutable: false }]])
  const { head, entries } = encodeRelease({ id: 'r-1', files, redirects: [], headers: [] })
  const store = new Map([...entries, ['live', formatLive({ release: head, retained: [] })]])
  const viewer = loadFunction(viewerRequestCode(), store)
  expect(await viewer.onRequest(ask(encodeURI(path)), undefined)).toMatchObject({
    request: { uri: '/releases/r-1/it%27s%20%28a%29%20%2Astar%2A%21.txt' },
  })
})
