import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { objectHeaders } from '../../../src/deploy/targets/aws/release/object-headers.ts'
import { distribution } from '../../../src/deploy/targets/aws/template/distribution/distribution.ts'
import { mergeFragments } from '../../../src/deploy/targets/aws/template/fragment.ts'
import { sampleProject } from '../../../src/deploy/targets/aws/template/sample.contract.ts'
import { encodeRelease } from '../../../src/deploy/targets/aws/viewer/encode-release.ts'
import { formatLive } from '../../../src/deploy/targets/aws/viewer/live.ts'
import type { ViewedRelease } from '../../../src/deploy/targets/aws/viewer/viewed-release.ts'
import { createEdge } from '../../../src/edge/edge.ts'
import type { EdgeFile, EdgeRelease, RedirectRule } from '../../../src/edge/release.ts'
import { Fields } from '../../../src/http/fields.ts'
import { mediaTypeOf } from '../../../src/http/media-types.ts'
import { silentLogger } from '../../../src/shared/logger.ts'
import { differencesOf, type ParityAnswer, type ParityRequest } from './answer.ts'
import type { BucketObject } from './bucket-origin.ts'
import { openCloudFront } from './cloudfront.ts'
import { NJS, replayInNjs } from './njs.ts'

// Random sites and requests, asked by HEAD of the edge at home in this process, and of the distribution.

const RUNS = Number(process.env.MOKA_FUZZ_RUNS ?? 150)
const REQUESTS_A_SITE = 25
const NOW = Date.UTC(2026, 0, 1)

interface Site {
  paths: string[]
  retained: string[]
  redirects: RedirectRule[]
  headers: { for: string; values: Record<string, string> }[]
}

const RESOURCES = (() => {
  const project = sampleProject({ functions: [] })
  return mergeFragments(distribution(project, []).fragments).resources
})()

const isImmutable = (path: string) => path.endsWith('.js')

function openHere({ paths, retained, redirects, headers }: Site) {
  const release = (id: string, names: string[]): EdgeRelease => ({
    ...{ project: 'site', id, manifestSha256: id.padEnd(64, '0'), hosts: ['site.test'] },
    files: new Map(
      names.map(path => {
        const file: EdgeFile = { sha256: '0'.repeat(64), size: 4, type: mediaTypeOf(path) }
        return [path, isImmutable(path) ? { ...file, immutable: true as const } : file]
      }),
    ),
    ...{ redirects, headers, routes: [], modifiedMs: NOW },
  })
  const edge = createEdge({
    blobs: { path: () => '/nowhere' },
    functions: { fetch: () => Promise.reject(new Error('none')) } as never,
    clock: { now: () => NOW },
    logger: silentLogger,
    edgeId: 'e',
  })
  const live = { live: release('r-2', paths), retained: [release('r-1', retained)] }
  edge.setSites(new Map([['site', live]]))
  return async ({ target, headers: fields = {} }: ParityRequest): Promise<ParityAnswer> => {
    const { status, fields: said } = await edge.respond({
      ...{ method: 'HEAD', target, version: '1.1', peerAddress: '127.0.0.1', isSecure: true },
      fields: Fields.from([['host', 'site.test'], ...Object.entries(fields)]),
      hasBody: false,
      takeBody: () => {
        throw new Error('no body')
      },
      signal: new AbortController().signal,
    })
    const names = [...said].map(([name]) => [name, said.lines(name).join(', ')])
    return { status, headers: Object.fromEntries(names), body: '' }
  }
}

function openThere({ paths, retained, redirects, headers }: Site) {
  const objects = new Map<string, BucketObject>()
  const put = (id: string, names: string[]) =>
    new Map(
      names.map(path => {
        const file = {
          type: mediaTypeOf(path),
          ...(isImmutable(path) && { immutable: true as const }),
        }
        objects.set(`releases/${id}${path}`, {
          body: Buffer.from('body'),
          ...objectHeaders(path, file),
        })
        return [path, { folder: id, isImmutable: isImmutable(path) }]
      }),
    )
  const rules = { redirects: redirects as ViewedRelease['redirects'], headers }
  const before = encodeRelease({
    id: 'r-1',
    files: put('r-1', retained),
    redirects: [],
    headers: [],
  })
  const live = encodeRelease({ id: 'r-2', files: put('r-2', paths), ...rules })
  const pointer = formatLive({ release: live.head, retained: [before.head] })
  const side = openCloudFront({
    resources: RESOURCES,
    store: new Map([...before.entries, ...live.entries, ['live', pointer]]),
    objects,
    callApi: () => {
      throw new Error('none')
    },
    responseSees: 'changed',
  })
  const ask = (request: ParityRequest) => side.ask({ ...request, method: 'HEAD' })
  return { ask, side }
}

const name = fc.constantFrom(
  ...['a', 'b', 'index', 'index.html', 'a.html', 'b.html', '404.html', '.html', 'a.html.html'],
  ...['ü', 'x y', 'a+b', '50%', "q'", 'A', 'c.js', 'd.txt', 'index.html.html', 'a:b', 'é.html'],
)
const path = fc.array(name, { minLength: 1, maxLength: 2 }).map(names => `/${names.join('/')}`)
const paths = fc.uniqueArray(path, { maxLength: 20 })

const fromSegment = fc.oneof(
  { weight: 3, arbitrary: name },
  fc.constantFrom(':p', ':q', '*', ':p.html'),
)
const from = fc
  .tuple(fc.array(fromSegment, { maxLength: 2 }), fc.constantFrom('', '', '/*', '/'))
  .map(([names, end]) => `/${names.join('/')}${end}`.replace(/\/{2,}/g, '/'))
const to = fc
  .tuple(
    fc.constantFrom('', '', '', 'https://site.test', 'https://Other.test:443', 'https://:p.test'),
    fc.array(fc.oneof(name, fc.constantFrom(':p', ':splat', ':q', 'x:p')), { maxLength: 2 }),
    fc.constantFrom('', '', '?x=1', '?x=:q', '#f', '?x=:splat#:p'),
  )
  .map(([site, names, end]) => `${site}/${names.map(encodeURI).join('/')}${end}`)
const rule: fc.Arbitrary<RedirectRule> = fc
  .record({
    ...{ from, to },
    status: fc.constantFrom(301, 302, 307, 308, 200, 404, 410),
    force: fc.boolean(),
    query: fc.constantFrom({}, {}, {}, { q: ':q' }, { q: '1' }, { q: ':q', x: '1' }),
    conditions: fc.constantFrom(
      {},
      ...[{}, {}, { Language: ['en'] }, { Cookie: ['a'] }, { Country: ['DE'] }, { Role: ['x'] }],
    ),
  })
  // At home a 200 to another site asks that site.
  .map(made => (made.to.startsWith('/') || made.status === 200 ? made : { ...made, status: 302 }))
  .filter(({ to, status }) => to.startsWith('/') || (status !== 200 && !/[' ]/.test(to)))
  .map(made => ({ ...made, path: made.from }) as RedirectRule)

const header = fc
  .tuple(
    fc.constantFrom('/*', '/a/*', '/:one', '/*.js', '/A', '/a/:x/*', '/*/b', '/index', '*a*b*'),
    fc.constantFrom(
      ...['x-site', 'x-page', 'vary', 'cache-control', 'content-security-policy', 'Basic-Auth'],
    ),
    fc.constantFrom('one', 'two', "frame-ancestors 'none'", 'a:1 b:2', 'c:3'),
  )
  .map(([pattern, field, value]) => ({ for: pattern, values: { [field]: value } }))

/** What is asked for: mostly what there is, or what a rule is for, in some form of its address. */
const target = fc.record({
  kind: fc.constantFrom('file', 'file', 'retained', 'rule', 'rule', 'rule', 'other'),
  which: fc.nat(20),
  other: fc.oneof(
    path,
    fc.constantFrom('/', '/..', '/a/..', '//a', '/a//b', '/a%2fb', '/%zz', '/%00'),
  ),
  fill: name,
  end: fc.constantFrom('', '', '', '/', '/', '//', '.html', '/index.html'),
  isShort: fc.boolean(),
  query: fc.constantFrom(
    '',
    '',
    '',
    '?',
    '?q=1',
    '?q=a+b%20',
    '?q=1&x=1',
    "?x='",
    '?q',
    '?%71=%zz',
  ),
  isRaw: fc.boolean(),
})
type Target = typeof target extends fc.Arbitrary<infer T> ? T : never

function targetIn({ paths, retained, redirects }: Site, asked: Target): string {
  const { kind, which, other, fill, end, isShort, query, isRaw } = asked
  const known = {
    ...{ file: paths, retained, other: [other] },
    rule: redirects.map(({ from }) => from.replace(/[*]|:\w+/g, fill)),
  }[kind]
  const found = known[which % known.length] ?? other
  const text = isShort ? found.replace(/(?:index)?\.html$/, '') : found
  const whole = `${text}${end}`
  const encoded = kind === 'other' && /%(?:2f|zz|00)/.test(whole) ? whole : encodeURI(whole)
  return `${isRaw ? encoded : encoded.replaceAll('a', '%61')}${query}`
}

const fields = fc.record(
  {
    'accept-language': fc.constantFrom('en', 'de, en;q=0.5', 'en-GB;q=0.3, fr;q=0.2', '*'),
    cookie: fc.constantFrom('a=1', 'b=1; a=', 'nf_country=de', 'nf_lang=en', 'a="1"; x'),
    accept: fc.constantFrom('text/html', 'application/json'),
    authorization: fc.constantFrom('a:1', 'b:2', 'x:1').map(pair => `Basic ${btoa(pair)}`),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<Record<string, string>>

const site = fc.record({
  ...{ paths, retained: paths },
  redirects: fc.array(rule, { maxLength: 6 }),
  headers: fc.array(header, { maxLength: 4 }),
})
const requests = fc.array(fc.record({ asked: target, headers: fields }), {
  ...{ minLength: REQUESTS_A_SITE, maxLength: REQUESTS_A_SITE },
})

const seeded = process.env.MOKA_FUZZ_RUNS === undefined ? { seed: 1 } : {}

describe('random sites', () => {
  it('are answered alike', async () => {
    await fc.assert(
      fc.asyncProperty(site, requests, async (made, all) => {
        const [here, there] = [openHere(made), openThere(made)]
        for (const { asked, headers } of all) {
          const request = { target: targetIn(made, asked), headers }
          const [home, aws] = [await here(request), await there.ask(request)]
          const differing = differencesOf(home, aws)
          expect(differing, JSON.stringify({ request, home, aws })).toEqual([])
        }
      }),
      { numRuns: RUNS, ...seeded },
    )
  })

  it.skipIf(NJS === undefined)('are answered in njs as in Node (needs njs)', async () => {
    await fc.assert(
      fc.asyncProperty(site, requests, async (made, all) => {
        const { ask, side } = openThere(made)
        for (const { asked, headers } of all) await ask({ target: targetIn(made, asked), headers })
        for (const { event, result, inNjs } of replayInNjs(side)) {
          expect(JSON.parse(inNjs), event).toEqual(JSON.parse(result))
        }
      }),
      { numRuns: Math.ceil(RUNS / 10), ...seeded },
    )
  })
})
