import { createPublicKey, X509Certificate } from 'node:crypto'
import * as v from 'valibot'
import { isToken, isValidField } from '../http/field-lists.ts'
import { isAddableToRequest, isRemovableField, isSettableField } from '../http/settable-fields.ts'

// How the edge answers for a release besides its files: checked here once more, for whoever has the
// token may send a draft that no configuration made, and these texts go into requests, responses
// and patterns. The shapes are the edge's (src/edge/behaviors/behavior.ts says what each means).

const MAX_NAMED = 100
const MAX_RULES = 250
const HUNDRED_YEARS_SECONDS = 3_153_600_000
const MAX_TIMEOUT_MS = 3_600_000
const MAX_STORED_BYTES = 64 * 1024 * 1024

const whole = (minimum: number, maximum: number) =>
  v.pipe(v.number(), v.integer(), v.minValue(minimum), v.maxValue(maximum))
const text = (pattern: RegExp, problem: string) => v.pipe(v.string(), v.regex(pattern, problem))
const list = <T extends v.GenericSchema>(item: T) => v.pipe(v.array(item), v.maxLength(MAX_NAMED))
const named = <T extends v.GenericSchema>(key: v.GenericSchema<string, string>, value: T) =>
  v.pipe(v.record(key, value), v.maxEntries(MAX_NAMED))

const seconds = whole(0, HUNDRED_YEARS_SECONDS)
const errorStatus = whole(400, 599)
/** What CloudFront takes for one, which AWS clients make of host names: `127.0.0.1-1700000000-1`. */
const originName = text(/^(?! )[\x20-\x7e]{1,128}$/, 'not the name of an origin')
/** Letters, digits, "-", "_" and "."; what CloudFront gives keys fits. */
const keyName = text(/^[\w.-]{1,128}$/, 'not the name of a key')
const parameterName = text(/^[^\0-\x1f\x7f]{1,128}$/, 'not the name of a parameter or cookie')
const fieldName = v.pipe(
  v.string(),
  v.maxLength(128),
  v.check(isToken, 'not the name of a header field'),
)
const lowerFieldName = v.pipe(fieldName, v.regex(/^[^A-Z]+$/, 'not in lower case'))
const fieldValue = v.pipe(
  v.string(),
  v.maxLength(8192),
  v.check(value => isValidField('x', value), 'not the value of a header field'),
)
const pathPattern = text(/^[/*][^\0-\x1f\x7f]{0,254}$/, 'not a pattern such as "/api/*"')
const hostName = text(/^[A-Za-z0-9.:[\]_-]{1,255}$/, 'not a host')

const originUrl = v.pipe(
  v.string(),
  v.maxLength(2048),
  v.check(isOriginUrl, 'not http:// or https://, a host, and where needed a port and a path'),
)

const httpOrigin = v.strictObject({
  url: originUrl,
  connectTimeoutMs: v.exactOptional(whole(1, MAX_TIMEOUT_MS)),
  responseTimeoutMs: v.exactOptional(whole(1, MAX_TIMEOUT_MS)),
  idleTimeoutMs: v.exactOptional(whole(1, MAX_TIMEOUT_MS)),
  maxConnections: v.exactOptional(whole(1, 65_536)),
  ca: v.exactOptional(v.pipe(v.string(), v.check(isCertificate, 'not a certificate in PEM'))),
  host: v.exactOptional(
    v.union([v.picklist(['origin', 'viewer']), v.strictObject({ name: hostName })]),
  ),
  headers: v.exactOptional(
    named(
      v.pipe(fieldName, v.check(isAddableToRequest, 'a field that the edge sets itself')),
      fieldValue,
    ),
  ),
})

const failoverOrigin = v.strictObject({
  primary: originName,
  secondary: originName,
  statuses: v.exactOptional(list(errorStatus)),
})

const choice = v.union([
  v.picklist(['all', 'none']),
  v.strictObject({ only: list(parameterName) }),
  v.strictObject({ allBut: list(parameterName) }),
])

const cachePolicy = v.strictObject({
  key: v.exactOptional(
    v.strictObject({
      query: v.exactOptional(choice),
      cookies: v.exactOptional(choice),
      headers: v.exactOptional(list(lowerFieldName)),
    }),
  ),
  minTtlSeconds: v.exactOptional(seconds),
  defaultTtlSeconds: v.exactOptional(seconds),
  maxTtlSeconds: v.exactOptional(seconds),
  errorTtlSeconds: v.exactOptional(named(text(/^[45]\d\d$/, 'not an error status'), seconds)),
  staleIfErrorSeconds: v.exactOptional(seconds),
  setCookie: v.exactOptional(v.picklist(['explicit', 'never'])),
  viewerDirectives: v.exactOptional(v.picklist(['ignored', 'obeyed'])),
  maxBodyBytes: v.exactOptional(whole(0, MAX_STORED_BYTES)),
})

const headerChoice = v.union([
  v.picklist(['all', 'none']),
  v.strictObject({ only: list(lowerFieldName) }),
  v.strictObject({ allBut: list(lowerFieldName) }),
])

const settable = named(
  v.pipe(fieldName, v.check(isSettableField, 'a field that the edge sets itself')),
  fieldValue,
)

const responseHeaders = v.strictObject({
  remove: v.exactOptional(
    list(v.pipe(fieldName, v.check(isRemovableField, 'a field that cannot be left out'))),
  ),
  set: v.exactOptional(settable),
  add: v.exactOptional(settable),
  security: v.exactOptional(v.boolean()),
})

const errorPage = v.strictObject({
  status: errorStatus,
  page: v.exactOptional(text(/^\/[^\0-\x1f\x7f]{1,1023}$/, 'not the path of a file')),
  responseStatus: v.exactOptional(v.union([v.literal(200), errorStatus])),
  ttlSeconds: v.exactOptional(seconds),
})

const countryList = v.pipe(
  v.array(text(/^[A-Z]{2}$/, 'not a country code such as "DE"')),
  v.maxLength(300),
)

const behavior = v.strictObject({
  pattern: pathPattern,
  origin: originName,
  methods: v.exactOptional(v.picklist(['read', 'read-and-options', 'all'])),
  cache: v.exactOptional(cachePolicy),
  forward: v.exactOptional(
    v.strictObject({
      query: v.exactOptional(choice),
      cookies: v.exactOptional(choice),
      headers: v.exactOptional(headerChoice),
    }),
  ),
  compress: v.exactOptional(v.boolean()),
  responseHeaders: v.exactOptional(responseHeaders),
  viewerProtocol: v.exactOptional(v.picklist(['allow-all', 'redirect-to-https', 'https-only'])),
  errorPages: v.exactOptional(list(errorPage)),
  rateLimit: v.exactOptional(
    v.strictObject({
      count: whole(1, 100_000),
      periodSeconds: whole(1, 86_400),
      per: v.picklist(['client', 'function']),
    }),
  ),
  countries: v.exactOptional(
    v.union([v.strictObject({ only: countryList }), v.strictObject({ allBut: countryList })]),
  ),
  signedBy: v.exactOptional(v.pipe(list(keyName), v.minLength(1, 'it names no key'))),
})

const signingKey = v.pipe(
  v.string(),
  v.maxLength(8192),
  v.check(isSigningKey, 'not a public key in PEM, RSA from 2048 bits or ECDSA P-256'),
)

/** The fields of a release that only the edge reads. */
export const edgeEntries = {
  origins: v.exactOptional(named(originName, v.union([httpOrigin, failoverOrigin]))),
  behaviors: v.exactOptional(v.pipe(v.array(behavior), v.maxLength(MAX_RULES))),
  signingKeys: v.exactOptional(named(keyName, signingKey)),
  hsts: v.exactOptional(
    v.strictObject({
      maxAgeSeconds: whole(0, HUNDRED_YEARS_SECONDS),
      includeSubDomains: v.exactOptional(v.boolean()),
      preload: v.exactOptional(v.boolean()),
    }),
  ),
}

interface EdgeSettings {
  origins?: Record<string, { url: string } | { primary: string; secondary: string }>
  behaviors?: { pattern: string; origin: string; signedBy?: string[] }[]
  signingKeys?: Record<string, string>
}

/** The first name in behaviors and groups that nothing has, as text; undefined when all are there. */
export function missingName(settings: EdgeSettings): string | undefined {
  const { origins = {}, behaviors = [], signingKeys = {} } = settings
  for (const [name, origin] of Object.entries(origins)) {
    if (name === 'site') return 'an origin is named "site", which is the release itself'
    if (!('primary' in origin)) continue
    for (const member of [origin.primary, origin.secondary]) {
      const found = Object.hasOwn(origins, member) ? origins[member] : undefined
      if (found === undefined) return `origin "${name}" names "${member}", and there is none`
      if ('primary' in found) return `origin "${name}" names "${member}", which is a group itself`
    }
  }
  for (const { pattern, origin, signedBy = [] } of behaviors) {
    if (origin !== 'site' && !Object.hasOwn(origins, origin)) {
      return `behavior "${pattern}" names origin "${origin}", and there is none`
    }
    const key = signedBy.find(name => !Object.hasOwn(signingKeys, name))
    if (key !== undefined) return `behavior "${pattern}" names key "${key}", and there is none`
  }
  return undefined
}

function isOriginUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password, search, hash } = new URL(text)
  const isPlain = username === '' && password === '' && search === '' && hash === ''
  return /^https?:$/.test(protocol) && hostname !== '' && isPlain && !/[\s?#\\]/.test(text)
}

function isCertificate(pem: string): boolean {
  if (pem.length > 256 * 1024) return false
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0 || /PRIVATE KEY/.test(pem)) return false
  return blocks.every(block => succeeds(() => new X509Certificate(block)))
}

/** A private key would do as well, and must not stand in a release. */
function isSigningKey(pem: string): boolean {
  if (!/^\s*-----BEGIN (?:RSA )?PUBLIC KEY-----/.test(pem) || /PRIVATE/.test(pem)) return false
  let isFit = false
  succeeds(() => {
    const { asymmetricKeyType, asymmetricKeyDetails } = createPublicKey(pem)
    isFit =
      asymmetricKeyType === 'rsa'
        ? (asymmetricKeyDetails?.modulusLength ?? 0) >= 2048
        : asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'prime256v1'
  })
  return isFit
}

function succeeds(attempt: () => unknown): boolean {
  try {
    attempt()
    return true
  } catch {
    return false
  }
}
