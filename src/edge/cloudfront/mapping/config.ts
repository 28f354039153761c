// Between what a distribution is in CloudFront's words and in the edge's, both ways. What reads as
// it did stays as it is, so that reading a configuration and writing it back changes nothing, also
// where CloudFront has no words for it.

import { AwsError } from '../../../aws/errors.ts'
import { invalidArgument } from '../../../aws/xml/shape.ts'
import type { EdgeBehavior, EdgeOriginSettings } from '../../behaviors/behavior.ts'
import type { Distribution, DistributionSettings } from '../distribution.ts'
import type { DistributionConfig } from '../shapes/config.ts'
import { readBehavior, SITE_BEHAVIOR, writeBehavior } from './behaviors.ts'
import {
  readErrorResponses,
  readGeoRestriction,
  writeErrorResponses,
  writeGeoRestriction,
} from './everywhere.ts'
import { noSuchOrigin, readOrigins, SITE, writeOrigins } from './origins.ts'

/** Response field that tags are read from; a distribution cannot choose another. */
const TAG_FIELD = 'Cache-Tag'

const CATCH_ALL: readonly string[] = ['*', '/*']

type Shown = DistributionSettings & Pick<Distribution, 'callerReference'>

export function writeConfig(distribution: Shown): DistributionConfig {
  const { origins } = distribution
  const { own, fallback } = splitBehaviors(distribution.behaviors)
  const written = own.map(behavior => ({
    PathPattern: behavior.pattern,
    ...writeBehavior(behavior, forwardsHost(origins, behavior.origin)),
  }))
  const last = writeBehavior(
    fallback ?? SITE_BEHAVIOR,
    forwardsHost(origins, fallback?.origin ?? SITE),
  )
  const isSiteShown = [last, ...written].some(({ TargetOriginId }) => TargetOriginId === SITE)
  return {
    CallerReference: distribution.callerReference,
    Aliases: distribution.domain === undefined ? [] : [distribution.domain],
    DefaultRootObject: last.TargetOriginId === SITE ? 'index.html' : '',
    ...writeOrigins(origins, isSiteShown),
    DefaultCacheBehavior: last,
    CacheBehaviors: written,
    CustomErrorResponses: writeErrorResponses(distribution.behaviors),
    Comment: distribution.comment,
    PriceClass: distribution.priceClass as DistributionConfig['PriceClass'],
    Enabled: distribution.isEnabled,
    Restrictions: { GeoRestriction: writeGeoRestriction(distribution.behaviors) },
    IsIPV6Enabled: distribution.isIpv6Enabled,
    CacheTagConfig: { HeaderName: TAG_FIELD },
  }
}

/** What a distribution is before there is one. */
const NOTHING: Pick<Distribution, 'origins' | 'behaviors' | 'signingKeys' | 'hasFile'> = {
  origins: {},
  behaviors: [],
  signingKeys: [],
  hasFile: () => false,
}

/** What a configuration makes of a distribution, or of nothing. Throws `AwsError`. */
export function readConfig(
  config: DistributionConfig,
  current: Pick<Distribution, 'origins' | 'behaviors' | 'signingKeys' | 'hasFile'> = NOTHING,
): DistributionSettings {
  requireTagField(config)
  requireRootObject(config)
  const origins = readOrigins(config, current.origins)
  const read = readBehaviors(config, current)
  for (const { behavior } of read) requireOrigin(origins, behavior)
  settleHosts(origins, read, current.origins)
  const domain = readAliases(config.Aliases)
  let behaviors: readonly EdgeBehavior[] = read.map(({ behavior }) => behavior)
  behaviors = readErrorResponses(config.CustomErrorResponses, behaviors, current)
  behaviors = readGeoRestriction(config.Restrictions.GeoRestriction, behaviors, current.behaviors)
  return {
    isEnabled: config.Enabled,
    comment: readComment(config.Comment),
    priceClass: config.PriceClass,
    isIpv6Enabled: config.IsIPV6Enabled,
    ...(domain === undefined ? {} : { domain }),
    origins,
    behaviors,
  }
}

/** A last behavior for all paths is the default one; where there is none the site answers. */
function splitBehaviors(behaviors: readonly EdgeBehavior[]): {
  own: readonly EdgeBehavior[]
  fallback: EdgeBehavior | undefined
} {
  const last = behaviors.at(-1)
  if (last === undefined || !CATCH_ALL.includes(last.pattern)) {
    return { own: behaviors, fallback: undefined }
  }
  return { own: behaviors.slice(0, -1), fallback: last }
}

type ReadOne = ReturnType<typeof readBehavior> & { path: string }

function readBehaviors(
  config: DistributionConfig,
  current: Pick<Distribution, 'origins' | 'behaviors' | 'signingKeys'>,
): ReadOne[] {
  const { origins, signingKeys } = current
  const { own, fallback } = splitBehaviors(current.behaviors)
  const waiting = [...own]
  const contextOf = (known: EdgeBehavior | undefined) => ({
    known,
    knownForwardsHost: known && forwardsHost(origins, known.origin),
    deployed: current.behaviors,
    signingKeys,
  })
  const read = config.CacheBehaviors.map((said, index): ReadOne => {
    const path = `CacheBehaviors.Items[${index}]`
    const pattern = readPattern(said.PathPattern, path)
    // Each known one is taken once, the first first, should a pattern stand there twice.
    const at = waiting.findIndex(behavior => behavior.pattern === pattern)
    const known = at === -1 ? undefined : waiting.splice(at, 1)[0]
    return { ...readBehavior(said, pattern, path, contextOf(known)), path }
  })
  const path = 'DefaultCacheBehavior'
  const last = readBehavior(
    config.DefaultCacheBehavior,
    fallback?.pattern ?? '*',
    path,
    contextOf(fallback ?? SITE_BEHAVIOR),
  )
  // One that only says what is so without it is left out.
  if (last.behavior !== SITE_BEHAVIOR) read.push({ ...last, path })
  return read
}

function readPattern(pattern: string, path: string): string {
  if (/^[/*][^\0-\x1f\x7f]{0,254}$/.test(pattern)) return pattern
  if (/^[^\0-\x1f\x7f]{1,254}$/.test(pattern)) return `/${pattern}` // CloudFront takes it so
  throw invalidArgument(`${path}.PathPattern "${pattern}" is not a pattern such as "/api/*".`)
}

function requireOrigin(
  origins: Readonly<Record<string, EdgeOriginSettings>>,
  { origin, pattern }: EdgeBehavior,
): void {
  if (origin === SITE || Object.hasOwn(origins, origin)) return
  throw noSuchOrigin(`the behavior "${pattern}"`, origin)
}

/** Which Host an origin gets is its own matter here, and its behaviors' at CloudFront. */
function settleHosts(
  origins: Record<string, EdgeOriginSettings>,
  read: readonly ReadOne[],
  current: Readonly<Record<string, EdgeOriginSettings>>,
): void {
  const wanted = new Map<string, { isViewers: boolean; path: string }>()
  for (const { behavior, forwardsHost: isViewers, path } of read) {
    if (isViewers === undefined) continue
    for (const name of membersOf(origins, behavior.origin)) {
      const before = wanted.get(name)
      if (before !== undefined && before.isViewers !== isViewers) {
        throw invalidArgument(
          `${path} and ${before.path} have origin "${name}", and one of them alone forwards Host, which is not supported here: give each an origin of its own.`,
        )
      }
      wanted.set(name, { isViewers, path })
    }
  }
  for (const [name, { isViewers }] of wanted) {
    const origin = origins[name]
    if (origin === undefined || !('url' in origin)) continue
    const known = Object.hasOwn(current, name) ? current[name] : undefined
    const isAsBefore = known === origin && (origin.host === 'viewer') === isViewers
    if (isAsBefore) continue
    const { host, ...rest } = origin
    const kept = host !== undefined && host !== 'viewer' ? { host } : {}
    origins[name] = isViewers ? { ...rest, host: 'viewer' } : { ...rest, ...kept }
  }
}

function membersOf(
  origins: Readonly<Record<string, EdgeOriginSettings>>,
  name: string,
): readonly string[] {
  const origin = Object.hasOwn(origins, name) ? origins[name] : undefined
  if (origin === undefined) return []
  return 'url' in origin ? [name] : [origin.primary, origin.secondary]
}

/** Undefined for a group whose members disagree, and where there is no such origin. */
function forwardsHost(
  origins: Readonly<Record<string, EdgeOriginSettings>>,
  name: string,
): boolean | undefined {
  const [first, ...others] = membersOf(origins, name).map(member => {
    const origin = Object.hasOwn(origins, member) ? origins[member] : undefined
    return origin !== undefined && 'url' in origin && origin.host === 'viewer'
  })
  return others.every(other => other === first) ? first : undefined
}

/** A project has one domain; its www. is answered in any case. */
function readAliases(aliases: readonly string[]): string | undefined {
  const names = [...new Set(aliases.map(name => name.toLowerCase()))]
  const [domain] = names.filter(
    name => !(name.startsWith('www.') && names.includes(name.slice('www.'.length))),
  )
  if (domain === undefined) return undefined
  const other = names.find(name => name !== domain && name !== `www.${domain}`)
  if (other !== undefined) {
    throw invalidArgument(
      `Aliases: "${other}" beside "${domain}" is not supported here: a project has one domain, and its www. too.`,
    )
  }
  const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'
  if (new RegExp(`^(?=.{1,253}$)(?:${label}\\.)+${label}$`).test(domain)) return domain
  throw invalidArgument(
    `Aliases: "${domain}" is not the name of a domain; wildcards are not supported.`,
  )
}

function requireTagField({ CacheTagConfig }: DistributionConfig): void {
  const name = CacheTagConfig?.HeaderName
  if (name === undefined || name.toLowerCase() === TAG_FIELD.toLowerCase()) return
  throw invalidArgument(
    `CacheTagConfig.HeaderName "${name}" is not supported here: tags are read from ${TAG_FIELD}.`,
  )
}

function requireRootObject({ DefaultRootObject, DefaultCacheBehavior }: DistributionConfig): void {
  const isSite = DefaultCacheBehavior.TargetOriginId === SITE
  if (DefaultRootObject === (isSite ? 'index.html' : '')) return
  throw new AwsError(
    'InvalidDefaultRootObject',
    400,
    isSite
      ? `DefaultRootObject is index.html where the origin is "${SITE}", in every folder.`
      : 'DefaultRootObject is not supported here for an origin of its own, which sees "/" as it is.',
  )
}

function readComment(comment: string): string {
  if (comment.length <= 128) return comment
  throw invalidArgument('Comment is longer than 128 characters.')
}
