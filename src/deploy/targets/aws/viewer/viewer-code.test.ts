import { expect, it } from 'vitest'
import { encodeRelease } from './encode-release.ts'
import { formatLive } from './live.ts'
import { loadFunction } from './testing/function-runtime.ts'
import {
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
