import { AwsError } from '../../../aws/errors.ts'
import { invalidArgument } from '../../../aws/xml/shape.ts'
import type { EdgeBehavior, ResponseHeadersPolicy } from '../../behaviors/behavior.ts'
import {
  type CacheBehavior,
  type DefaultCacheBehavior,
  defaultCacheBehavior,
  type Method,
} from '../shapes/behavior.ts'
import { isSame } from '../shapes/config.ts'
import {
  AS_DEPLOYED,
  readCacheSettings,
  settingsOf,
  withSettings,
  writeCacheSettings,
} from './cache-settings.ts'
import {
  ALL_VIEWER,
  RESPONSE_HEADERS_POLICIES,
  USE_ORIGIN_CACHE_CONTROL_QUERY,
} from './managed-policies.ts'
import { SITE } from './origins.ts'

const METHODS: Record<NonNullable<EdgeBehavior['methods']>, readonly Method[]> = {
  read: ['HEAD', 'GET'],
  'read-and-options': ['HEAD', 'GET', 'OPTIONS'],
  all: ['HEAD', 'DELETE', 'POST', 'GET', 'OPTIONS', 'PUT', 'PATCH'],
}

/** A behavior in CloudFront's words; `forwardsHost` is its origin's, where that is one thing. */
export function writeBehavior(
  behavior: EdgeBehavior,
  forwardsHost: boolean | undefined,
): DefaultCacheBehavior {
  const { signedBy, cache, forward, origin, pattern } = behavior
  const isSite = origin === SITE
  const policies = isSite
    ? {
        ...writeCacheSettings(settingsOf({ key: { query: 'none' } }, {}, false), pattern),
        // Files are kept by content, functions' answers as they say, and these get everything.
        CachePolicyId: USE_ORIGIN_CACHE_CONTROL_QUERY,
        OriginRequestPolicyId: ALL_VIEWER,
      }
    : writeCacheSettings(settingsOf(cache, forward, forwardsHost === true), pattern)
  return {
    TargetOriginId: origin,
    TrustedKeyGroups: { Enabled: signedBy !== undefined, Items: signedBy ?? [] },
    ViewerProtocolPolicy: behavior.viewerProtocol ?? 'allow-all',
    AllowedMethods: {
      Items: METHODS[isSite ? 'all' : (behavior.methods ?? 'read')],
      CachedMethods: METHODS.read,
    },
    Compress: isSite || behavior.compress !== false,
    ...policies,
    ResponseHeadersPolicyId: writeResponseHeaders(behavior.responseHeaders, pattern),
  }
}

/** The site as it answers where no behavior says anything. */
export const SITE_BEHAVIOR: EdgeBehavior = { pattern: '*', origin: SITE }

export interface BehaviorContext {
  /** What the live release has in its place. */
  known: EdgeBehavior | undefined
  knownForwardsHost: boolean | undefined
  /** All of the live release, which may be referred to. */
  deployed: readonly EdgeBehavior[]
  signingKeys: readonly string[]
}

export interface ReadBehavior {
  behavior: EdgeBehavior
  /** Undefined: it says nothing of the Host that its origin gets. */
  forwardsHost: boolean | undefined
}

/**
 * What CloudFront's words make of a behavior. One that reads as it did stays; in a changed one what
 * CloudFront has no word for stays.
 */
export function readBehavior(
  said: DefaultCacheBehavior | CacheBehavior,
  pattern: string,
  path: string,
  context: BehaviorContext,
): ReadBehavior {
  const { known, signingKeys } = context
  const same = known && writeBehavior(known, context.knownForwardsHost)
  const isSite = said.TargetOriginId === SITE
  if (known && same && isSame(defaultCacheBehavior, same, said as DefaultCacheBehavior)) {
    const isSilent = isSite || same.CachePolicyId?.startsWith(AS_DEPLOYED)
    return {
      behavior: known,
      forwardsHost: isSilent ? undefined : context.knownForwardsHost,
    }
  }
  const before: Partial<EdgeBehavior> = known ?? {}
  const { signedBy: _s, viewerProtocol: _v, responseHeaders: _r, ...kept } = before
  const protection = {
    ...readSigners(said, path, signingKeys),
    ...(said.ViewerProtocolPolicy === 'allow-all'
      ? {}
      : { viewerProtocol: said.ViewerProtocolPolicy }),
    ...readResponseHeaders(said.ResponseHeadersPolicyId, context.deployed, path),
  }
  if (isSite) {
    requireSiteRules(said, path)
    return { behavior: { ...kept, pattern, origin: SITE, ...protection }, forwardsHost: undefined }
  }
  const { cache: _c, forward: _f, methods: _m, compress: _z, ...more } = kept
  const { policies, forwardsHost } = readPolicies(said, path, context)
  return {
    behavior: {
      ...more,
      pattern,
      origin: said.TargetOriginId,
      methods: readMethods(said, path),
      ...policies,
      compress: said.Compress,
      ...protection,
    },
    forwardsHost,
  }
}

function readPolicies(
  said: DefaultCacheBehavior,
  path: string,
  { known, deployed }: Pick<BehaviorContext, 'known' | 'deployed'>,
): { policies: Pick<EdgeBehavior, 'cache' | 'forward'>; forwardsHost: boolean | undefined } {
  const { CachePolicyId = '' } = said
  if (!CachePolicyId.startsWith(AS_DEPLOYED)) {
    const settings = readCacheSettings(said, path)
    const { forwardsHost } = settings
    return { policies: withSettings(known?.cache, settings), forwardsHost }
  }
  const other = deployedAs(CachePolicyId, deployed)
  if (other === undefined || other.origin === SITE) {
    throw new AwsError(
      'NoSuchCachePolicy',
      404,
      `${path}.CachePolicyId "${CachePolicyId}" stands for what the live release has at that pattern, and there is no such behavior.`,
    )
  }
  const policies = {
    ...(other.cache && { cache: other.cache }),
    ...(other.forward && { forward: other.forward }),
  }
  return { policies, forwardsHost: undefined }
}

function deployedAs(id: string, deployed: readonly EdgeBehavior[]): EdgeBehavior | undefined {
  const pattern = id.slice(AS_DEPLOYED.length)
  return deployed.find(behavior => behavior.pattern === pattern)
}

/** The release answers by its own rules; who may come, and the fields of answers, are a behavior's. */
function requireSiteRules(said: DefaultCacheBehavior, path: string): void {
  const own = writeBehavior(SITE_BEHAVIOR, false)
  const fields = [
    'AllowedMethods',
    'Compress',
    'CachePolicyId',
    'OriginRequestPolicyId',
    'ForwardedValues',
    'MinTTL',
    'DefaultTTL',
    'MaxTTL',
  ] as const
  for (const field of fields) {
    if (isSame(defaultCacheBehavior, { ...own, [field]: said[field] }, own)) continue
    throw invalidArgument(
      `${path}.${field} of a behavior of origin "${SITE}" cannot be changed: files and functions have rules of their own. It stays as GetDistributionConfig gives it.`,
    )
  }
}

function readSigners(
  { TrustedKeyGroups }: DefaultCacheBehavior,
  path: string,
  signingKeys: readonly string[],
): Pick<EdgeBehavior, 'signedBy'> {
  const { Enabled, Items } = TrustedKeyGroups
  if (Enabled !== Items.length > 0) {
    throw invalidArgument(
      `${path}.TrustedKeyGroups is Enabled where it names keys, and only there.`,
    )
  }
  const missing = Items.find(name => !signingKeys.includes(name))
  if (missing !== undefined) {
    throw new AwsError(
      'TrustedKeyGroupDoesNotExist',
      400,
      `${path}.TrustedKeyGroups: "${missing}" is no key in signingKeys of the project; here a group is one such key, by its name.`,
    )
  }
  return Enabled ? { signedBy: Items } : {}
}

function readMethods(
  { AllowedMethods }: DefaultCacheBehavior,
  path: string,
): NonNullable<EdgeBehavior['methods']> {
  if (!isSameSet(AllowedMethods.CachedMethods, METHODS.read)) {
    throw invalidArgument(
      `${path}.AllowedMethods.CachedMethods other than GET and HEAD are not supported here: answers to OPTIONS are not kept.`,
    )
  }
  const found = Object.entries(METHODS).find(([, methods]) =>
    isSameSet(methods, AllowedMethods.Items),
  )
  if (found !== undefined) return found[0] as NonNullable<EdgeBehavior['methods']>
  throw invalidArgument(
    `${path}.AllowedMethods are GET and HEAD, or these and OPTIONS, or all seven.`,
  )
}

function isSameSet(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && others.every(item => some.includes(item))
}

function writeResponseHeaders(
  policy: ResponseHeadersPolicy | undefined,
  pattern: string,
): string | undefined {
  if (policy === undefined) return undefined
  const found = Object.entries(RESPONSE_HEADERS_POLICIES).find(
    ([, managed]) => comparable(managed) === comparable(policy),
  )
  return found?.[0] ?? `${AS_DEPLOYED}${pattern}`
}

function comparable({ remove = [], set = {}, add = {}, security }: ResponseHeadersPolicy): string {
  const fields = (some: object) =>
    Object.entries(some)
      .map(([name, value]) => `${name.toLowerCase()}: ${value}`)
      .sort()
  const removed = remove.map(name => name.toLowerCase()).sort()
  return JSON.stringify([removed, fields(set), fields(add), security === true])
}

function readResponseHeaders(
  id: string | undefined,
  deployed: readonly EdgeBehavior[],
  path: string,
): Pick<EdgeBehavior, 'responseHeaders'> {
  if (id === undefined || id === '') return {}
  if (id.startsWith(AS_DEPLOYED)) {
    const responseHeaders = deployedAs(id, deployed)?.responseHeaders
    if (responseHeaders !== undefined) return { responseHeaders }
  }
  const managed = Object.hasOwn(RESPONSE_HEADERS_POLICIES, id)
    ? RESPONSE_HEADERS_POLICIES[id]
    : undefined
  if (managed !== undefined) return { responseHeaders: managed }
  throw new AwsError(
    'NoSuchResponseHeadersPolicy',
    404,
    `${path}.ResponseHeadersPolicyId "${id}" is none of AWS’s managed policies, and there are no others here; responseHeaders of a behavior in moka.config.ts can be anything.`,
  )
}
