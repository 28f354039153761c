import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { encodeRelease } from './encode-release.ts'
import { formatLive, previewEntries } from './live.ts'
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

describe('before functions', () => {
  const { head } = encodeRelease({ id: 'r-2', files: new Map(), redirects: [], headers: [] })
  const backend = {
    alias: 'preview-menu-1',
    functions: [
      { lambda: 'mokapot-site_shop', routes: ['/api/*', '/api/shop/*'], hasUrl: false },
      { lambda: 'mokapot-site_render', routes: ['/api/shop/one', '/ü/*'], hasUrl: true },
    ],
  }
  const store = previewEntries('menu', head, { backend, password: 'open up' })
  const authorization = { value: `Basic ${Buffer.from('x:open up').toString('base64')}` }
  const previewed = (uri: string) => ({
    ...ask(uri),
    headers: { host: { value: 'menu.preview.example.com' }, authorization },
  })
  const viewers = {
    api: loadFunction(functionRequestCode('api'), store),
    url: loadFunction(functionRequestCode('url'), store),
  }

  it.each([
    ['/api/shop/one', 'mokapot-site_render $default'],
    ['/api/shop/two', 'mokapot-site_shop /api/shop/*'],
    ['/api/shop', 'mokapot-site_shop /api/shop/*'],
    ['/api/shopping', 'mokapot-site_shop /api/*'],
    ['/%61pi/x%20y', 'mokapot-site_shop /api/*'],
    ['/%C3%BC/x', 'mokapot-site_render $default'],
  ])('leads %s of a preview to %s', async (uri, named) => {
    for (const [by, viewer] of Object.entries(viewers)) {
      const result = await viewer.onRequest(previewed(uri), undefined)
      expect(result).toMatchObject({
        request: { uri: `/.well-known/mokapot/functions/preview-menu-1${uri}` },
      })
      if (result.kind !== 'request') continue
      expect(result.request.headers['x-moka-function']?.value).toBe(named)
      expect(result.request.headers).not.toHaveProperty('authorization')
      // One that has a URL of its own is asked by the HTTP API in a preview.
      expect(result.origin).toBe(by === 'url' ? 'functions' : undefined)
    }
  })

  it('leaves requests to the live site as they are, without a read', async () => {
    expect(await viewers.api.onRequest(ask('/api/shop', 'POST'), undefined)).toEqual({
      ...{ kind: 'request', request: ask('/api/shop', 'POST'), reads: [] },
    })
    const { request } = (await viewers.url.onRequest(ask('/api/shop', 'POST'), undefined)) as never
    expect(Object.keys((request as ReturnType<typeof ask>).headers)).toEqual([
      ...['host', 'x-amz-content-sha256'],
    ])
  })

  it('knows no function that the preview lacks, and no preview that is gone', async () => {
    const lacking = await viewers.api.onRequest(previewed('/other'), undefined)
    expect(lacking).toMatchObject({ response: { statusCode: 404 } })
    const files = loadFunction(functionRequestCode('api'), previewEntries('menu', head, {}))
    expect(await files.onRequest(previewed('/api/shop'), undefined)).toMatchObject({
      response: { statusCode: 404 },
    })
    const gone = { ...ask('/api/shop'), cookies: { 'moka-preview-name': { value: 'gone' } } }
    expect(await viewers.api.onRequest(gone, undefined)).toMatchObject({
      response: { statusCode: 404, cookies: { 'moka-preview-name': { value: '' } } },
    })
  })

  it('wants the password of the preview', async () => {
    const stranger = { ...previewed('/api/shop'), headers: { host: previewed('/').headers.host } }
    expect(await viewers.api.onRequest(stranger, undefined)).toMatchObject({
      response: { statusCode: 401 },
    })
  })

  it('has room for as many routes as an API has', async () => {
    const routes = Array.from({ length: 300 }, (_, index) => `/api/of-some-length/${index}/*`)
    const many = { alias: 'preview-menu-1', functions: [{ ...backend.functions[0]!, routes }] }
    const entries = previewEntries('menu', head, { backend: many })
    expect(entries.size).toBeGreaterThan(10)
    const viewer = loadFunction(functionRequestCode('api'), entries)
    expect(await viewer.onRequest(previewed('/api/of-some-length/299/x'), undefined)).toMatchObject(
      {
        request: { headers: { 'x-moka-function': { value: expect.stringContaining('/299/*') } } },
      },
    )
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
