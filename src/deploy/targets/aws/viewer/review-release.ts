import { matchRoute, routesOf } from '../../../../edge/site/function-routes.ts'
import { isSettableField } from '../../../../http/settable-fields.ts'
import type { ReleaseDraft } from '../../../../releases/manifest.ts'
import { MokaError } from '../../../../shared/errors.ts'
import { RESERVED_KEYS } from '../stack/names.ts'
import { encodeRelease } from './encode-release.ts'
import { isSettableOnAws } from './header-rules.ts'
import type { ViewedRelease } from './viewed-release.ts'
import { type ClassicSite, classicRequestCode, classicResponseCode } from './viewer-code.ts'

/** Values of redirects by pattern from which on a missing page takes notably longer. */
const MANY_VALUES = 8

/**
 * What the viewer functions do otherwise than the edge at home with a release, for people. Throws
 * where they cannot have it, so that it is known before anything is uploaded.
 */
export function reviewRelease(draft: ReleaseDraft, mode: 'releases' | 'classic'): string[] {
  const rules = rulesOf(draft)
  const warnings: string[] = []
  if (mode === 'classic') {
    requireFreeNames(draft)
    requireNoLocks(draft)
    const site = { ...rules, paths: Object.keys(draft.files) }
    classicRequestCode(site)
    classicResponseCode(site)
  } else {
    const files = Object.entries(draft.files).map(
      ([path, { immutable }]) =>
        [path, { folder: 'r-1', isImmutable: immutable === true }] as const,
    )
    const { head } = encodeRelease({ ...rules, id: 'r-1', files: new Map(files) })
    if (head.c > MANY_VALUES) warnings.push(manyPatterns(head.c))
  }
  return [...warnings, ...redirectWarnings(draft), ...headerWarnings(draft)]
}

const manyPatterns = (values: number) =>
  `redirects with placeholders or splats take ${values} values of CloudFront's KeyValueStore, which each request that finds no file reads one by one: name each path in a rule of its own where that can be`

function rulesOf({ redirects, headers }: ReleaseDraft): Omit<ClassicSite, 'paths'> {
  return { redirects: redirects as ViewedRelease['redirects'], headers }
}

function redirectWarnings(draft: ReleaseDraft): string[] {
  const routes = routesOf(draft.functions)
  return draft.redirects.flatMap(({ from, to, status }) => {
    if (status !== 200) return []
    if (/^https?:/i.test(to)) {
      return [
        `the redirect from "${from}" shows another site, and is answered with 404 on AWS: give its path a behavior with that site as origin`,
      ]
    }
    const path = (to.split(/[?#]/)[0] ?? '').replace(/:[A-Za-z_]\w*/g, 'x')
    const route = matchRoute(routes, path)
    if (route === undefined) return []
    return [
      `the redirect from "${from}" leads to function "${route.function}", and is answered with 404 on AWS: give the function that path as a route`,
    ]
  })
}

function headerWarnings({ headers }: ReleaseDraft): string[] {
  return headers.flatMap(({ for: pattern, values }) => {
    const names = Object.keys(values).filter(
      name => isSettableField(name) && !isSettableOnAws(name),
    )
    if (names.length === 0) return []
    return [`_headers sets ${names.join(', ')} for "${pattern}", which CloudFront does not let it`]
  })
}

/** Throws `AWS_CLASSIC_NAME` for a file that would stand where deploys keep their own. */
function requireFreeNames({ files }: ReleaseDraft): void {
  const isTaken = (path: string) =>
    RESERVED_KEYS.some(key => (key.endsWith('/') ? path.startsWith(`/${key}`) : path === `/${key}`))
  const taken = Object.keys(files).find(isTaken)
  if (taken === undefined) return
  throw new MokaError(
    'AWS_CLASSIC_NAME',
    `cannot deploy "${taken}": in classic mode that part of the bucket is where deploys keep their own`,
    { hint: "move it into another folder, or set aws.mode to 'releases'" },
  )
}

/** A lock that is left out would be a door that is open. */
function requireNoLocks({ headers }: ReleaseDraft): void {
  const locked = headers.find(({ values }) =>
    Object.keys(values).some(name => name.toLowerCase() === 'basic-auth'),
  )
  if (locked === undefined) return
  throw new MokaError(
    'AWS_CLASSIC_LOCK',
    `cannot deploy the lock of "${locked.for}" in _headers: classic mode asks nobody for a password`,
    { hint: 'use aws.mode "releases", or take Basic-Auth out' },
  )
}
