// What CloudFront says once for a whole distribution, and the edge at home for each behavior.

import { isDeepStrictEqual } from 'node:util'
import type { Project } from '../../../../../config/project.ts'
import type { Value } from '../fragment.ts'
import type { EdgeBehavior, Rules } from './rules.ts'

type Warn = (problem: string) => void

/** Errors that CloudFront would keep for ten seconds, GET alone, whoever they are for. */
const KEPT_ERRORS = [404, 405, 414, 416, 500, 501, 502, 503, 504]
/** Errors that a page can be given for. */
const KNOWN_ERRORS: ReadonlySet<number> = new Set([400, 403, ...KEPT_ERRORS])

/** A restriction is one where every path has it. */
export function geoRestriction({ special, rest }: Rules, warn: Warn): Value | undefined {
  const rules = [...special, rest]
  const countries = rest.behavior?.countries
  const isEverywhere = rules.every(({ behavior }) =>
    isDeepStrictEqual(behavior?.countries, countries),
  )
  if (isEverywhere) {
    if (countries === undefined) return undefined
    return 'only' in countries
      ? { RestrictionType: 'whitelist', Locations: [...countries.only] }
      : { RestrictionType: 'blacklist', Locations: [...countries.allBut] }
  }
  const patterns = new Set(
    rules.flatMap(({ behavior }) => (behavior?.countries === undefined ? [] : [behavior.pattern])),
  )
  for (const pattern of patterns) {
    warn(
      `behavior "${pattern}" is open to all countries: CloudFront restricts them for the whole distribution alone, and other paths say something else`,
    )
  }
  return undefined
}

/**
 * No error is kept, as at home, unless all origins agree and no function's errors would be kept with
 * theirs. Pages stand in for errors in classic mode alone: where there are releases, nobody but the
 * viewer-request function knows where a page is, and it is not asked for these.
 */
export function errorResponses(project: Project, rules: Rules, warn: Warn): Value[] {
  const isClassic = project.aws.mode === 'classic'
  const all = [...rules.special, rules.rest]
  const hasFunctions = all.some(({ target }) => target.kind === 'function')
  const withOrigins = [
    ...new Set(
      all.flatMap(({ target, behavior }) => (target.kind === 'origin' ? [behavior!] : [])),
    ),
  ]
  const responses = new Map<number, { page?: string; status?: number; ttl: number }>()
  for (const status of KEPT_ERRORS) responses.set(status, { ttl: 0 })
  for (const behavior of withOrigins) {
    const isAgreed = withOrigins.every(other =>
      isDeepStrictEqual(saidOfErrors(other), saidOfErrors(behavior)),
    )
    const said = saidOfErrors(behavior)
    if (Object.keys(said).length === 0) continue
    if (!isAgreed || hasFunctions) {
      warn(
        `behavior "${behavior.pattern}" has errorPages or errorTtlSeconds without effect: CloudFront has them for the whole distribution, where ${hasFunctions ? 'functions answer, too' : 'another behavior says something else'}`,
      )
      continue
    }
    for (const [text, { page, responseStatus, ttl }] of Object.entries(said)) {
      const status = Number(text)
      if (!KNOWN_ERRORS.has(status)) {
        warn(`behavior "${behavior.pattern}" has an error ${status} that CloudFront does not know`)
        continue
      }
      if (page !== undefined && !isClassic) {
        warn(
          `behavior "${behavior.pattern}" shows its origin's own page for ${status}: pages in place of errors need aws.mode 'classic'`,
        )
      }
      responses.set(status, {
        ttl,
        ...(page !== undefined && isClassic && { page, status: responseStatus ?? status }),
      })
    }
  }
  // Which files there are is not known there, so that S3 is asked and says 404.
  if (isClassic && responses.get(404)?.page === undefined) {
    responses.set(404, { ttl: 0, page: '/404.html', status: 404 })
  }
  return [...responses]
    .sort(([a], [b]) => a - b)
    .map(([ErrorCode, { page, status, ttl }]) => ({
      ErrorCode,
      ErrorCachingMinTTL: ttl,
      ...(page !== undefined && { ResponsePagePath: page, ResponseCode: status }),
    }))
}

/** CloudFront's and the home edge's default for a page, in seconds. */
const PAGE_TTL_SECONDS = 10

function saidOfErrors({ errorPages = [], cache }: EdgeBehavior) {
  const said: Record<number, { page?: string; responseStatus?: number; ttl: number }> = {}
  for (const [status, ttl] of Object.entries(cache?.errorTtlSeconds ?? {}))
    said[Number(status)] = { ttl }
  for (const { status, page, responseStatus, ttlSeconds = PAGE_TTL_SECONDS } of errorPages) {
    said[status] = {
      ttl: ttlSeconds,
      ...(page !== undefined && { page }),
      ...(responseStatus !== undefined && { responseStatus }),
    }
  }
  return said
}
