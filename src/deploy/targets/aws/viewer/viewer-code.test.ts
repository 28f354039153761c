import { expect, it } from 'vitest'
import { encodeRelease } from './encode-release.ts'
import { formatLive } from './live.ts'
import { loadFunction } from './testing/function-runtime.ts'
import {
  classicRequestCode,
  classicResponseCode,
  functionUrlCode,
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
  for (const code of [viewerRequestCode(), viewerResponseCode(), functionUrlCode()]) {
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
  const response = await loadFunction(classicResponseCode(site), new Map()).onResponse(
    ask('/about'),
    {
      statusCode: 200,
      headers: {},
    },
  )
  expect(response.response.headers['x-site']).toEqual({ value: 'yes' })
  const paths = Array.from({ length: 3000 }, (_, number) => `/${number}.html`)
  expect(() => classicRequestCode({ ...site, paths })).toThrow(
    expect.objectContaining({
      code: 'AWS_VIEWER_CODE_TOO_LARGE',
      hint: expect.stringContaining('releases'),
    }),
  )
})
