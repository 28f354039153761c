import { readCall } from '../../../src/deploy/targets/aws/operations/lambda/preview-door.ts'
import { objectHeaders } from '../../../src/deploy/targets/aws/release/object-headers.ts'
import { PREVIEW_DOOR_PATH } from '../../../src/deploy/targets/aws/stack/names.ts'
import { backendFragments } from '../../../src/deploy/targets/aws/template/backend.ts'
import { distribution } from '../../../src/deploy/targets/aws/template/distribution/distribution.ts'
import { mergeFragments } from '../../../src/deploy/targets/aws/template/fragment.ts'
import {
  sampleFunction,
  sampleProject,
} from '../../../src/deploy/targets/aws/template/sample.contract.ts'
import { encodeRelease } from '../../../src/deploy/targets/aws/viewer/encode-release.ts'
import {
  formatLive,
  type PreviewBackend,
  previewEntries,
} from '../../../src/deploy/targets/aws/viewer/live.ts'
import type { ViewedRelease } from '../../../src/deploy/targets/aws/viewer/viewed-release.ts'
import { mediaTypeOf } from '../../../src/http/media-types.ts'
import type { ParityRequest } from './answer.ts'
import type { BucketObject, OriginAnswer } from './bucket-origin.ts'
import { type CloudFront, type CloudFrontParts, openCloudFront } from './cloudfront.ts'
import * as site from './site.ts'

const PREVIEW_BACKEND: PreviewBackend = {
  alias: 'preview-x-1',
  functions: [
    { lambda: 'mokapot-site_echo', routes: ['/api/*'], hasUrl: false },
    { lambda: 'mokapot-site_limited', routes: ['/api/limited'], hasUrl: false },
  ],
}

/** The distribution of the generated template, with the releases in its bucket and store. */
export function openAws(
  throttledAfter: number,
  responseSees: CloudFrontParts['responseSees'] = 'changed',
): CloudFront {
  const objects = new Map<string, BucketObject>()
  const put = (id: string, contents: Readonly<Record<string, string>>) =>
    new Map(
      Object.entries(contents).map(([path, content]) => {
        const folder = (id === 'r-3' ? site.EARLIER[path] : undefined) ?? id
        const isImmutable = site.IMMUTABLE.includes(path)
        const file = { type: mediaTypeOf(path), ...(isImmutable && { immutable: true as const }) }
        const body = Buffer.from(content)
        objects.set(`releases/${folder}${path}`, { body, ...objectHeaders(path, file) })
        return [path, { folder, isImmutable }]
      }),
    )
  const encode = (
    id: string,
    contents: Record<string, string>,
    more: Partial<ViewedRelease> = {},
  ) =>
    encodeRelease({
      ...{ id, files: put(id, contents), redirects: [], headers: [], hsts: site.HSTS },
      ...more,
    })
  const before = encode('r-2', site.FILES_BEFORE)
  const live = encode('r-3', site.FILES, {
    redirects: site.REDIRECTS as ViewedRelease['redirects'],
    headers: site.HEADERS,
    statement: site.STATEMENT,
  })
  const shown = encode('r-4', site.PREVIEW_FILES)
  const locked = encode('r-5', site.PREVIEW_FILES)
  const store = new Map([
    ...[before, live, shown, locked].flatMap(({ entries }) => [...entries]),
    ['live', formatLive({ release: live.head, retained: [before.head] })],
    ...previewEntries('menu', shown.head, { backend: PREVIEW_BACKEND }),
    ...previewEntries('locked', locked.head, {
      ...{ password: site.PREVIEW_PASSWORD, backend: PREVIEW_BACKEND },
    }),
  ])
  return openCloudFront({
    resources: templateResources(),
    ...{ store, objects, responseSees },
    callApi: createApi(throttledAfter),
  })
}

function templateResources() {
  const project = sampleProject({
    domain: 'site.test',
    edge: { hsts: site.HSTS },
    functions: [
      sampleFunction('echo', { routes: ['/api/*'] }),
      sampleFunction('limited', {
        routes: ['/api/limited'],
        rateLimit: { count: 2, periodSeconds: 3600, per: 'function' },
      }),
    ],
  } as never)
  const { fragments } = distribution(project, backendFragments(project).origins)
  return mergeFragments(fragments).resources
}

/** An HTTP API before the function: its throttling answers in its own words, without Retry-After. */
function createApi(throttledAfter: number): (request: ParityRequest) => OriginAnswer {
  let calls = 0
  return ({ target, method = 'GET', headers = {} }) => {
    const [asked = '', query = ''] = target.split('?')
    const [path, more] = asked.startsWith(PREVIEW_DOOR_PATH)
      ? [throughDoor(asked, headers), { 'x-robots-tag': 'noindex' }]
      : [asked, {}]
    if (path === '/api/limited' && ++calls > throttledAfter) {
      return {
        status: 429,
        headers: { 'content-type': 'application/json' },
        body: Buffer.from('{"message":"Too Many Requests"}'),
      }
    }
    const answer = site.functionAnswer(method, path, query)
    const body = Buffer.from('body' in answer ? (answer.body ?? '') : '')
    const fields = { ...(answer.headers as Record<string, string>), ...more }
    return { status: answer.statusCode, headers: fields, body }
  }
}

/** The path that a function of a preview is asked for. */
function throughDoor(rawPath: string, headers: Record<string, string>): string {
  const requestContext = { routeKey: '', http: { path: rawPath } }
  return readCall({ routeKey: '', rawPath, headers, requestContext })!.event.rawPath
}
