import { createPublicKey, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { EdgeBehavior, EdgeOriginSettings } from '../../edge/behaviors/behavior.ts'
import type { ReleaseDraft } from '../../releases/manifest.ts'
import { MokaError } from '../../shared/errors.ts'
import { nearestName } from '../hints.ts'
import { parseRateLimit } from '../rate-limit.ts'
import type { MokaConfig } from '../schema.ts'
import type { BehaviorConfig, OriginConfig, OriginGroupConfig } from './edge-schema.ts'
import { coversPattern, routeCovers } from './path-coverage.ts'

/** What a project tells the edge besides its files and functions; empty ones are left out. */
export type EdgeSettings = Pick<ReleaseDraft, 'origins' | 'behaviors' | 'signingKeys' | 'hsts'>

type Routes = readonly { name: string; routes: readonly string[] }[]

/** Only these mean anything for the project's own files and functions. */
const SITE_FIELDS: ReadonlySet<string> = new Set([
  ...['pattern', 'origin', 'responseHeaders', 'viewerProtocol'],
  ...['rateLimit', 'countries', 'signedBy'],
])

/**
 * Fills in what a checked configuration says of origins, behaviors, keys and HSTS. Throws
 * `CONFIG_INVALID` where a name leads nowhere or a key is none; `warnings` are of what has no effect.
 */
export function resolveEdge(
  config: MokaConfig,
  functions: Routes,
  root: string,
  file: string,
): { settings: EdgeSettings; warnings: string[] } {
  const fail: Fail = (problem, hint) => {
    throw new MokaError('CONFIG_INVALID', `cannot read ${file}: ${problem}`, hint ? { hint } : {})
  }
  const origins = mapValues(config.origins ?? {}, (origin, name) =>
    resolveOrigin(origin, name, root, fail),
  )
  const signingKeys = mapValues(config.signingKeys ?? {}, (key, name) =>
    readSigningKey(key, `signingKeys.${name}`, root, fail),
  )
  const behaviors = (config.behaviors ?? []).map(behavior => resolveBehavior(behavior, fail))
  checkGroups(origins, fail)
  for (const behavior of behaviors) checkNames(behavior, origins, signingKeys, fail)
  checkDuplicates(behaviors, fail)
  const settings = {
    ...(Object.keys(origins).length > 0 && { origins }),
    ...(behaviors.length > 0 && { behaviors }),
    ...(Object.keys(signingKeys).length > 0 && { signingKeys }),
    ...(config.hsts && { hsts: config.hsts }),
  }
  return {
    // What is written there but undefined is left out, as it is where the release is stored.
    settings: JSON.parse(JSON.stringify(settings)) as EdgeSettings,
    warnings: [
      ...behaviors.flatMap(misread),
      ...unreachable(behaviors, functions),
      ...unused(origins, behaviors),
    ],
  }
}

type Fail = (problem: string, hint?: string) => never

function resolveOrigin(
  origin: OriginConfig | OriginGroupConfig,
  name: string,
  root: string,
  fail: Fail,
): EdgeOriginSettings {
  if ('primary' in origin) return origin
  const { connectTimeoutSeconds, responseTimeoutSeconds, idleTimeoutSeconds, ca, ...rest } = origin
  return {
    ...rest,
    ...(connectTimeoutSeconds !== undefined && { connectTimeoutMs: connectTimeoutSeconds * 1000 }),
    ...(responseTimeoutSeconds !== undefined && {
      responseTimeoutMs: responseTimeoutSeconds * 1000,
    }),
    ...(idleTimeoutSeconds !== undefined && { idleTimeoutMs: idleTimeoutSeconds * 1000 }),
    ...(ca !== undefined && { ca: readCertificates(ca, `origins.${name}.ca`, root, fail) }),
  }
}

function resolveBehavior(behavior: BehaviorConfig, fail: Fail): EdgeBehavior {
  const { pattern, cache, forward, rateLimit } = behavior
  const say = (problem: string, hint?: string) => fail(`${nameOf(behavior)} ${problem}`, hint)
  if (behavior.origin === 'site') {
    const entries = Object.entries(behavior).filter(([, value]) => value !== undefined)
    const idle = entries.find(([field]) => !SITE_FIELDS.has(field))?.[0]
    if (idle !== undefined) {
      say(
        `is the site's own, and "${idle}" has no effect on files and functions`,
        'remove it; files follow _headers, and functions say themselves how long they are kept',
      )
    }
  }
  const { minTtlSeconds = 0, maxTtlSeconds } = cache ?? {}
  if (maxTtlSeconds !== undefined && minTtlSeconds > maxTtlSeconds) {
    say(
      `has a minTtlSeconds of ${minTtlSeconds}, which is over its maxTtlSeconds of ${maxTtlSeconds}`,
    )
  }
  return {
    ...behavior,
    pattern: /^[/*]/.test(pattern) ? pattern : `/${pattern}`,
    ...(cache && { cache: { ...cache, ...(cache.key && { key: lowerFields(cache.key) }) } }),
    ...(forward && { forward: lowerFields(forward) }),
    ...(rateLimit !== undefined && { rateLimit: readRateLimit(rateLimit, say) }),
  } as EdgeBehavior
}

/** Field names as they are compared. */
function lowerFields<T extends { headers?: unknown }>(policy: T): T {
  const { headers } = policy
  if (headers === undefined || typeof headers === 'string') return policy
  const lower = (names: readonly string[]) => names.map(name => name.toLowerCase())
  return {
    ...policy,
    headers: Array.isArray(headers)
      ? lower(headers)
      : mapValues(headers as Record<string, string[]>, names => names && lower(names)),
  }
}

function readRateLimit(limit: string, say: Fail): EdgeBehavior['rateLimit'] {
  try {
    return parseRateLimit(limit)
  } catch (error) {
    if (!(error instanceof MokaError)) throw error
    return say(`has a rateLimit that is none: ${error.message}`, error.hint)
  }
}

function checkGroups(origins: Record<string, EdgeOriginSettings>, fail: Fail): void {
  for (const [name, group] of Object.entries(origins)) {
    if (!('primary' in group)) continue
    for (const role of ['primary', 'secondary'] as const) {
      const member = group[role]
      if (!Object.hasOwn(origins, member)) {
        const single = Object.keys(origins).filter(other => !('primary' in origins[other]!))
        fail(
          `origin "${name}" names "${member}" as its ${role}, and there is none`,
          suggestName(member, single, 'origins'),
        )
      }
      if ('primary' in origins[member]!) {
        fail(
          `origin "${name}" names "${member}" as its ${role}, which is a group itself`,
          'a group has two single origins',
        )
      }
    }
    if (group.primary === group.secondary) {
      fail(`origin "${name}" has "${group.primary}" as its primary and its secondary`, 'name two')
    }
  }
}

function checkNames(
  behavior: EdgeBehavior,
  origins: Record<string, unknown>,
  signingKeys: Record<string, unknown>,
  fail: Fail,
): void {
  const { origin, signedBy = [] } = behavior
  if (origin !== 'site' && !Object.hasOwn(origins, origin)) {
    fail(
      `${nameOf(behavior)} names origin "${origin}", and there is none`,
      suggestName(origin, [...Object.keys(origins), 'site'], 'origins'),
    )
  }
  const key = signedBy.find(name => !Object.hasOwn(signingKeys, name))
  if (key === undefined) return
  fail(
    `${nameOf(behavior)} names key "${key}" in signedBy, and there is none`,
    suggestName(key, Object.keys(signingKeys), 'signingKeys'),
  )
}

function suggestName(name: string, known: readonly string[], field: string): string {
  const near = nearestName(name, known)
  const all = known.length === 0 ? 'none is known yet' : `known are: ${known.join(', ')}`
  return near === undefined ? `add it to ${field}; ${all}` : `"${near}"? ${all}`
}

function checkDuplicates(behaviors: readonly EdgeBehavior[], fail: Fail): void {
  const seen = new Set<string>()
  for (const { pattern } of behaviors) {
    if (seen.has(pattern)) {
      fail(
        `two behaviors have the pattern "${pattern}", and only the first would count`,
        'make one of them',
      )
    }
    seen.add(pattern)
  }
}

/** Patterns are of the decoded path alone. */
function misread(behavior: EdgeBehavior): string[] {
  const { pattern } = behavior
  const query = /\?(?=[\w-]+=)/.exec(pattern)
  if (query !== null) {
    return [
      `${nameOf(behavior)} looks at no query: a pattern is of the path, and "?" in it is any one character`,
    ]
  }
  const encoded = /%[0-9A-Fa-f]{2}/.exec(pattern)?.[0]
  return encoded === undefined
    ? []
    : [`${nameOf(behavior)} is of the decoded path: write the character for "${encoded}"`]
}

function unreachable(behaviors: readonly EdgeBehavior[], functions: Routes): string[] {
  return behaviors.flatMap((behavior, index) => {
    const { pattern, origin } = behavior
    const earlier = behaviors.slice(0, index).find(other => coversPattern(other.pattern, pattern))
    if (earlier !== undefined) {
      return [
        `${nameOf(behavior)} is never used: "${earlier.pattern}" comes before it and has all its paths`,
      ]
    }
    const taker = functions.find(({ routes }) => routes.some(route => routeCovers(route, pattern)))
    return origin === 'site' || taker === undefined
      ? []
      : [
          `${nameOf(behavior)} never asks origin "${origin}": function "${taker.name}" answers all its paths, and function routes win`,
        ]
  })
}

function unused(
  origins: Record<string, EdgeOriginSettings>,
  behaviors: readonly EdgeBehavior[],
): string[] {
  const members = Object.values(origins).flatMap(origin =>
    'primary' in origin ? [origin.primary, origin.secondary] : [],
  )
  const named = new Set([...members, ...behaviors.map(({ origin }) => origin)])
  return Object.keys(origins)
    .filter(name => !named.has(name))
    .map(name => `origin "${name}" is never used: no behavior names it`)
}

function nameOf({ pattern }: { pattern: string }): string {
  return `behavior "${pattern}"`
}

/** A private key is refused: releases are kept in clear. */
function readSigningKey(value: string, field: string, root: string, fail: Fail): string {
  const pem = readPem(value, field, root, fail)
  if (/PRIVATE KEY/.test(pem)) {
    fail(
      `field "${field}" is a private key`,
      'give the public one, as `openssl pkey -in FILE -pubout` prints it',
    )
  }
  const key = attempt(() => createPublicKey(pem))
  if (key === undefined || !/BEGIN (?:RSA )?PUBLIC KEY/.test(pem)) {
    return fail(`field "${field}" is no public key in PEM`, 'openssl pkey -in FILE -pubout')
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = key
  const isFit =
    (type === 'rsa' && (details.modulusLength ?? 0) >= 2048) ||
    (type === 'ec' && details.namedCurve === 'prime256v1')
  if (!isFit) fail(`field "${field}" is neither an RSA key from 2048 bits nor an ECDSA P-256 one`)
  return String(key.export({ type: 'spki', format: 'pem' }))
}

function readCertificates(value: string, field: string, root: string, fail: Fail): string {
  const pem = readPem(value, field, root, fail)
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0 || blocks.some(block => !attempt(() => new X509Certificate(block)))) {
    fail(`field "${field}" is no certificate in PEM`, 'it begins with -----BEGIN CERTIFICATE-----')
  }
  return `${blocks.join('\n')}\n`
}

/** PEM as it is, or the file of that name. */
function readPem(value: string, field: string, root: string, fail: Fail): string {
  if (value.includes('-----BEGIN ')) return value
  const path = resolve(root, value)
  if (/[\n\0]/.test(value) || !existsSync(path) || !statSync(path).isFile()) {
    return fail(
      `field "${field}": there is no file "${value.slice(0, 100)}"`,
      'give PEM, which begins with -----BEGIN, or the path of a PEM file in the project',
    )
  }
  return readFileSync(path, 'utf8')
}

function attempt<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}

function mapValues<T, U>(
  record: Record<string, T>,
  change: (value: T, key: string) => U,
): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]))
}
