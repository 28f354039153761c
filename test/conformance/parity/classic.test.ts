import { afterAll, beforeAll, expect, it } from 'vitest'
import { objectHeaders } from '../../../src/deploy/targets/aws/release/object-headers.ts'
import { distribution } from '../../../src/deploy/targets/aws/template/distribution/distribution.ts'
import { mergeFragments, type Resource } from '../../../src/deploy/targets/aws/template/fragment.ts'
import { sampleProject } from '../../../src/deploy/targets/aws/template/sample.contract.ts'
import type { ViewedRelease } from '../../../src/deploy/targets/aws/viewer/viewed-release.ts'
import {
  classicRequestCode,
  classicResponseCode,
} from '../../../src/deploy/targets/aws/viewer/viewer-code.ts'
import { mediaTypeOf } from '../../../src/http/media-types.ts'
import { comparable, type Side } from './answer.ts'
import type { BucketObject } from './bucket-origin.ts'
import { openCloudFront } from './cloudfront.ts'
import { openHome } from './home.ts'
import { REQUESTS } from './requests.ts'
import * as site from './site.ts'

let home: Side
let classic: Side
beforeAll(async () => {
  home = await openHome(1)
  classic = openClassic()
})
afterAll(() => home.close?.())

/** The distribution of classic mode: objects at the bucket's root, rules within the functions. */
function openClassic(): Side {
  const project = sampleProject({ functions: [], aws: { mode: 'classic' } })
  const { resources } = mergeFragments(distribution(project, []).fragments)
  const written = {
    paths: Object.keys(site.FILES),
    redirects: site.REDIRECTS as ViewedRelease['redirects'],
    headers: site.HEADERS.filter(({ values }) => !('Basic-Auth' in values)),
  }
  const withCode = (id: string, FunctionCode: string): Resource => ({
    ...resources[id]!,
    Properties: { ...resources[id]!.Properties, FunctionCode },
  })
  const objects = new Map<string, BucketObject>(
    Object.entries(site.FILES).map(([path, content]) => {
      const isImmutable = site.IMMUTABLE.includes(path)
      const file = { type: mediaTypeOf(path), ...(isImmutable && { immutable: true as const }) }
      return [path.slice(1), { body: Buffer.from(content), ...objectHeaders(path, file) }]
    }),
  )
  return openCloudFront({
    resources: {
      ...resources,
      ViewerRequest: withCode('ViewerRequest', classicRequestCode(written)),
      ViewerResponse: withCode('ViewerResponse', classicResponseCode(written)),
    },
    store: new Map(),
    objects,
    callApi: () => {
      throw new Error('no functions')
    },
    responseSees: 'changed',
  })
}

/** Rows that classic mode answers otherwise; the README says why. */
const OTHERWISE = [
  // A missing file is the bucket's 404, and no other status is.
  ...['a rewrite to a 410', 'the error page by its name', 'the error page by its file'],
  // A rule with a placeholder or splat holds for pages: what has an extension is taken for a file.
  'a splat with double slashes',
  ...['a hashed asset of the release before', 'the statement of the release'],
  ...['a rewrite to another site', 'a rewrite to a function'],
  ...['malformed, for a browser', 'malformed, for a program'],
]
/** Of methods, locks, previews, functions and what the bucket says of ranges. */
const ELSEWHERE =
  /\b(?:lock|preview|function|limit|throttled|POST|PUT|DELETE|OPTIONS|range|condition|statement)/

async function facts(side: Side, row: string) {
  const all = comparable(await side.ask(REQUESTS[row]!))
  const { status, location, body } = all
  return { status, location, body, kept: status === '404' ? '' : all['cache-control'] }
}

const rows = Object.keys(REQUESTS).filter(row => !ELSEWHERE.test(row) && !OTHERWISE.includes(row))
it.each(rows)('classic mode answers as the home edge: %s', async row => {
  expect(await facts(classic, row)).toEqual(await facts(home, row))
})

it.each(OTHERWISE)('classic mode answers otherwise: %s', async row => {
  expect(await facts(classic, row)).not.toEqual(await facts(home, row))
})
