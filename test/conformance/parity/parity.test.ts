import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadFunction } from '../../../src/deploy/targets/aws/viewer/testing/function-runtime.ts'
import { viewerRequestCode } from '../../../src/deploy/targets/aws/viewer/viewer-code.ts'
import { comparable, differencesOf, type ParityAnswer, type Side } from './answer.ts'
import { openAws } from './aws.ts'
import type { CloudFront } from './cloudfront.ts'
import { DIFFERENCES, WITHOUT_THE_DECISION } from './differences.ts'
import { openHome } from './home.ts'
import { REQUESTS } from './requests.ts'

const CALLS_ALLOWED = 1

let home: Side
let aws: CloudFront
beforeAll(async () => {
  home = await openHome(CALLS_ALLOWED)
  aws = openAws(CALLS_ALLOWED)
})
afterAll(() => home.close?.())

/** Fields that may differ in a row. */
function expectedIn(row: string, more: readonly (typeof DIFFERENCES)[number][] = []): string[] {
  const listed = [...DIFFERENCES, ...more].flatMap(({ rows }) => rows[row] ?? [])
  return [...new Set(listed)].sort()
}

describe('the home edge and the distribution of the generated template answer alike', () => {
  it.each(Object.entries(REQUESTS))('%s', async (row, request) => {
    const answers = { home: await home.ask(request), aws: await aws.ask(request) }
    const differing = differencesOf(answers.home, answers.aws).sort()
    expect(differing, describeBoth(answers)).toEqual(expectedIn(row))
  })
})

it('has a row for every difference, and a gap in the README', () => {
  const readme = readFileSync(
    new URL('../../../src/deploy/targets/aws/README.md', import.meta.url),
    'utf8',
  ).replace(/\s+/g, ' ')
  for (const { gap, rows } of [...DIFFERENCES, WITHOUT_THE_DECISION]) {
    expect(readme).toContain(gap)
    expect(Object.keys(rows).filter(row => !Object.hasOwn(REQUESTS, row))).toEqual([])
  }
})

it('reads little: two values for a file, few more where there are rules', async () => {
  const readsOf = async (target: string, host = 'site.test') => {
    await aws.ask({ target, headers: { host } })
    return aws.reads.at(-1)!
  }
  expect(await readsOf('/', 'menu.preview.site.test')).toEqual(['preview:menu', expect.any(String)])
  expect(await readsOf('/nothing', 'menu.preview.site.test')).toHaveLength(2)
  // Locks, redirects because one is forced, the release before, and the header rules of the answer.
  expect((await readsOf('/about')).length).toBeLessThanOrEqual(6)
  expect((await readsOf('/nothing/here')).length).toBeLessThanOrEqual(8)
})

describe('validators', () => {
  it.each(['/about', '/large.txt', '/data.bin'])(
    'those of an answer make the next one a 304: %s',
    async target => {
      for (const side of [home, aws]) {
        const { headers } = await side.ask({ target })
        for (const condition of [
          { 'if-none-match': headers.etag! },
          { 'if-modified-since': headers['last-modified']! },
        ]) {
          const { status, body, ...again } = await side.ask({ target, headers: condition })
          expect([status, body]).toEqual([304, ''])
          expect(again.headers.etag).toBe(headers.etag)
          expect(again.headers['cache-control']).toBe(headers['cache-control'])
          expect(again.headers['x-moka-release']).toBe('r-3')
        }
        const range = { range: 'bytes=2-4', 'if-range': headers.etag! }
        const part = await side.ask({ target, headers: range })
        expect([part.status, part.body.length]).toEqual([206, 3])
      }
    },
  )
})

describe('a preview without a host of its own', () => {
  const chosen = { cookie: 'a=1; moka-preview-name=menu' }

  it('is chosen by a path, for this browser, and left by it', async () => {
    const answer = await aws.ask({ target: '/.well-known/mokapot/preview/menu//evil.test?x=1' })
    expect(answer.status).toBe(307)
    expect(answer.headers.location).toBe('https://site.test//evil.test?x=1')
    expect(answer.headers['set-cookie']).toMatch(
      /^moka-preview-name=menu; Path=\/; Secure; HttpOnly/,
    )
    const page = await aws.ask({ target: '/', headers: chosen })
    expect(page.body).toContain('home, new')
    expect(page.headers).toMatchObject({ 'x-robots-tag': 'noindex', 'x-moka-release': 'r-4' })
    expect((await aws.ask({ target: '/about', headers: chosen })).status).toBe(404)
    const left = await aws.ask({ target: '/.well-known/mokapot/preview/', headers: chosen })
    expect(left.headers['set-cookie']).toContain('Max-Age=0')
    expect((await aws.ask({ target: '/.well-known/mokapot/preview/none' })).status).toBe(404)
  })

  it('gives the site back once it is gone', async () => {
    const gone = { cookie: 'moka-preview-name=gone' }
    const answer = await aws.ask({ target: '/', headers: gone })
    expect([answer.status, answer.body]).toEqual([404, 'There is no such preview any more.\n'])
    expect(answer.headers['set-cookie']).toContain('Max-Age=0')
  })
})

it('answers by the release before where a key of the live one is not there yet', async () => {
  const { store } = openAws(CALLS_ALLOWED)
  const early = new Map([...store].filter(([key]) => !/^r-3:\d/.test(key)))
  const viewer = loadFunction(viewerRequestCode(), early)
  const host = { host: { value: 'site.test' } }
  const asked = { method: 'GET', uri: '/removed', querystring: {}, headers: host, cookies: {} }
  expect(await viewer.onRequest(asked, undefined)).toMatchObject({
    request: { uri: '/releases/r-2/removed.html' },
  })
})

it('answers the same where viewer-response is given the request as it was sent', async () => {
  const sent = openAws(CALLS_ALLOWED, 'sent')
  const changed = openAws(CALLS_ALLOWED, 'changed')
  const found: Record<string, string[]> = {}
  for (const [row, request] of Object.entries(REQUESTS)) {
    const differing = differencesOf(await changed.ask(request), await sent.ask(request))
    if (differing.length > 0) found[row] = differing.sort()
  }
  const listed = Object.entries(WITHOUT_THE_DECISION.rows)
  expect(found).toEqual(
    Object.fromEntries(listed.map(([row, fields]) => [row, [...fields].sort()])),
  )
})

it('finds a difference where there is one', async () => {
  const { status, headers, body } = await aws.ask({ target: '/about' })
  const other: ParityAnswer = { status, body, headers: { ...headers, 'cache-control': 'no-cache' } }
  expect(differencesOf({ status, headers, body }, other)).toEqual(['cache-control'])
  expect(differencesOf({ status, headers, body }, { status, headers, body: '' })).toEqual(['body'])
})

function describeBoth(answers: Record<'home' | 'aws', ParityAnswer>): string {
  return JSON.stringify(
    { home: comparable(answers.home), aws: comparable(answers.aws) },
    null,
    1,
  ).slice(0, 4000)
}
