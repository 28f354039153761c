// What CloudFront says once for a whole distribution, and the edge of each behavior.

import { isDeepStrictEqual } from 'node:util'
import { AwsError } from '../../../aws/errors.ts'
import { invalidArgument } from '../../../aws/xml/shape.ts'
import type { CountryRule, EdgeBehavior, ErrorPageRule } from '../../behaviors/behavior.ts'
import type { Distribution } from '../distribution.ts'
import type { CustomErrorResponse, GeoRestriction } from '../shapes/config.ts'
import { SITE } from './origins.ts'

/** CloudFront's error caching minimum TTL. */
const DEFAULT_ERROR_TTL_SECONDS = 10

type Behaviors = readonly EdgeBehavior[]

/** None where behaviors differ: CloudFront has no words for that. */
export function writeErrorResponses(behaviors: Behaviors): CustomErrorResponse[] {
  const [first, ...others] = withOrigins(behaviors)
  const rules = first?.errorPages ?? []
  const isSame = others.every(({ errorPages = [] }) => isDeepStrictEqual(errorPages, rules))
  return isSame ? rules.map(writeErrorResponse) : []
}

/** Of origins besides the site: that has its own 404.html, and no errors else. */
export function readErrorResponses(
  said: readonly CustomErrorResponse[],
  behaviors: Behaviors,
  current: Pick<Distribution, 'behaviors' | 'hasFile'>,
): Behaviors {
  const before = writeErrorResponses(current.behaviors)
  const isUnchanged = isDeepStrictEqual(said, before)
  if (isUnchanged && before.length === 0) return behaviors
  if (said.length > 0 && withOrigins(behaviors).length === 0) {
    throw invalidArgument(
      `CustomErrorResponses are not supported here for origin "${SITE}": its page is 404.html, and _redirects can answer "/* /index.html 200".`,
    )
  }
  const known = isUnchanged ? withOrigins(current.behaviors)[0]?.errorPages : undefined
  const rules =
    known ??
    said.map((rule, index) =>
      readErrorResponse(rule, `CustomErrorResponses.Items[${index}]`, current),
    )
  return behaviors.map(behavior => {
    if (behavior.origin === SITE) return behavior
    const isAsItIs = isUnchanged && current.behaviors.includes(behavior)
    if (isAsItIs) return behavior
    const { errorPages: _, ...rest } = behavior
    return rules.length === 0 ? rest : { ...rest, errorPages: rules }
  })
}

function withOrigins(behaviors: Behaviors): Behaviors {
  return behaviors.filter(({ origin }) => origin !== SITE)
}

function writeErrorResponse(rule: ErrorPageRule): CustomErrorResponse {
  const { status, page, responseStatus, ttlSeconds } = rule
  return {
    ErrorCode: status,
    ResponsePagePath: page ?? '',
    ResponseCode: page === undefined ? '' : String(responseStatus ?? status),
    ErrorCachingMinTTL: ttlSeconds ?? DEFAULT_ERROR_TTL_SECONDS,
  }
}

function readErrorResponse(
  { ErrorCode, ResponsePagePath, ResponseCode, ErrorCachingMinTTL }: CustomErrorResponse,
  path: string,
  { hasFile }: Pick<Distribution, 'hasFile'>,
): ErrorPageRule {
  if (ErrorCode < 400 || ErrorCode > 599) {
    throw new AwsError(
      'InvalidErrorCode',
      400,
      `${path}.ErrorCode is 400 to 599, not ${ErrorCode}.`,
    )
  }
  if ((ResponsePagePath === '') !== (ResponseCode === '')) {
    throw invalidArgument(
      `${path}: ResponsePagePath and ResponseCode stand together or not at all.`,
    )
  }
  const responseStatus = Number(ResponseCode)
  const isStatus = responseStatus === 200 || (responseStatus >= 400 && responseStatus <= 599)
  if (ResponseCode !== '' && !(/^\d{3}$/.test(ResponseCode) && isStatus)) {
    throw new AwsError(
      'InvalidResponseCode',
      400,
      `${path}.ResponseCode is 200 or 400 to 599, not "${ResponseCode}".`,
    )
  }
  if (ResponsePagePath !== '' && !hasFile(ResponsePagePath)) {
    throw invalidArgument(
      `${path}.ResponsePagePath "${ResponsePagePath}" is no file of the live release: deploy it first.`,
    )
  }
  if (ErrorCachingMinTTL < 0 || ErrorCachingMinTTL > 31_536_000) {
    throw invalidArgument(`${path}.ErrorCachingMinTTL is 0 to 31536000 seconds.`)
  }
  return {
    status: ErrorCode,
    ...(ResponsePagePath === '' ? {} : { page: ResponsePagePath, responseStatus }),
    ttlSeconds: ErrorCachingMinTTL,
  }
}

/** A restriction is one where every behavior has it, and so every path. */
export function writeGeoRestriction(behaviors: Behaviors): GeoRestriction {
  const last = behaviors.at(-1)
  const rule = last?.countries
  const isEverywhere =
    last !== undefined &&
    (last.pattern === '*' || last.pattern === '/*') &&
    behaviors.every(({ countries }) => isDeepStrictEqual(countries, rule))
  if (rule === undefined || !isEverywhere) return { RestrictionType: 'none', Items: [] }
  return 'only' in rule
    ? { RestrictionType: 'whitelist', Items: rule.only }
    : { RestrictionType: 'blacklist', Items: rule.allBut }
}

export function readGeoRestriction(
  said: GeoRestriction,
  behaviors: Behaviors,
  current: Behaviors,
): Behaviors {
  const before = writeGeoRestriction(current)
  const isUnchanged = isDeepStrictEqual(
    [said.RestrictionType, said.Items],
    [before.RestrictionType, before.Items],
  )
  const rule = isUnchanged ? current.at(-1)?.countries : readCountries(said)
  if (said.RestrictionType === 'none') {
    if (isUnchanged) return behaviors
    return behaviors.flatMap(behavior => {
      const { countries: _, ...rest } = behavior
      const isBare = Object.keys(rest).length === 2 && rest.origin === SITE && rest.pattern === '*'
      return isBare ? [] : [rest]
    })
  }
  const last = behaviors.at(-1)
  const isWhole = last !== undefined && (last.pattern === '*' || last.pattern === '/*')
  const all = isWhole ? behaviors : [...behaviors, { pattern: '*', origin: SITE }]
  return all.map(behavior =>
    isDeepStrictEqual(behavior.countries, rule) || rule === undefined
      ? behavior
      : { ...behavior, countries: rule },
  )
}

function readCountries({ RestrictionType, Items }: GeoRestriction): CountryRule | undefined {
  if (RestrictionType === 'none') {
    if (Items.length === 0) return undefined
    throw geoError('RestrictionType none has no Items.')
  }
  const wrong = Items.find(code => !/^[A-Z]{2}$/.test(code))
  if (wrong !== undefined) {
    const message = `Restrictions.GeoRestriction: "${wrong}" is no country code such as "DE".`
    throw new AwsError('InvalidLocationCode', 400, message)
  }
  if (Items.length === 0) throw geoError(`RestrictionType ${RestrictionType} needs Items.`)
  return RestrictionType === 'whitelist' ? { only: Items } : { allBut: Items }
}

function geoError(problem: string): AwsError {
  return new AwsError(
    'InvalidGeoRestrictionParameter',
    400,
    `Restrictions.GeoRestriction: ${problem}`,
  )
}
