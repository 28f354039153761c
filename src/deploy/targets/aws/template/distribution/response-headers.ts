import type { Project } from '../../../../../config/project.ts'
import type { Value } from '../fragment.ts'
import { takeCors } from './cors.ts'
import type { Policies } from './policies.ts'
import type { EdgeBehavior } from './rules.ts'

type Hsts = NonNullable<Project['edge']['hsts']>
type Config = Record<string, Value>
/** By lower-case name; forced ones stand in place of what the origin sent. */
type Fields = Map<string, { value: string; isForced: boolean }>

/** Custom fields that one policy takes, and fields that it removes. */
const MAX_FIELDS = 10
const MAX_HSTS_SECONDS = 2_147_483_647
const MAX_CSP_LENGTH = 1783

/** What a policy refuses to remove (CloudFront's manual, "Headers that you can't remove"). */
const KEPT_FIELDS =
  /^(?:connection|content-encoding|content-length|expect|host|keep-alive|proxy-.*|trailer|transfer-encoding|upgrade|via|warning|x-accel-.*|x-amz-cf-.*|x-amzn-.*|x-cache|x-edge-.*|x-forwarded-proto|x-real-ip)$/

/** What the home edge says with files and pages where nothing else does (its README). */
const DEFAULTS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'strict-origin-when-cross-origin',
  'x-frame-options': 'SAMEORIGIN',
}
/** What S3 tells of itself. */
const OF_THE_BUCKET = ['x-amz-server-side-encryption', 'x-amz-version-id']

/**
 * Id of the policy of a behavior's answers, or undefined where it would say nothing. `isFiles`: what
 * the project says of the files themselves comes from the viewer-response function.
 */
export function responseHeadersPolicy(
  behavior: EdgeBehavior | undefined,
  isFiles: boolean,
  hsts: Hsts | undefined,
  policies: Policies,
  warn: (problem: string) => void,
): Value | undefined {
  const { remove = [], set = {}, add = {}, security } = behavior?.responseHeaders ?? {}
  const fields: Fields = new Map()
  // Who may frame a file is said by viewer-response alone: a Content-Security-Policy may say it better.
  const { 'x-frame-options': _, ...unframed } = DEFAULTS
  const defaults = security === true ? DEFAULTS : isFiles ? unframed : {}
  const lower = (some: object) =>
    Object.entries(some).map(([name, value]) => [name.toLowerCase(), String(value)] as const)
  for (const [name, value] of lower(defaults)) fields.set(name, { value, isForced: false })
  for (const [name, value] of lower(add)) fields.set(name, { value, isForced: false })
  for (const [name, value] of lower(set)) fields.set(name, { value, isForced: true })
  const removed = [
    ...new Set([...remove.map(name => name.toLowerCase()), ...(isFiles ? OF_THE_BUCKET : [])]),
  ]
  // What is removed and not set again stays away, defaults as well.
  for (const name of removed)
    if (fields.get(name)?.isForced === false && name in defaults) fields.delete(name)
  const unremovable = removed.filter(name => KEPT_FIELDS.test(name))
  if (unremovable.length > 0) warn(`removes ${unremovable.join(', ')}, which CloudFront does not`)

  const cors = takeCors(fields, warn)
  const securityHeaders: Config = {}
  const custom: Value[] = []
  if (hsts !== undefined && !fields.has('strict-transport-security')) {
    securityHeaders.StrictTransportSecurity = strictTransport(hsts, false)
  }
  for (const [name, { value, isForced }] of fields) {
    const known = securityHeader(name, value, isForced)
    if (known === undefined) custom.push({ Header: name, Value: value, Override: isForced })
    else if (known === 'unfit') warn(`sets ${name} to "${value}", which CloudFront has no word for`)
    else Object.assign(securityHeaders, known)
  }
  const removable = removed.filter(name => !unremovable.includes(name)).sort()
  for (const [count, what] of [
    [custom.length, 'sets'],
    [removable.length, 'removes'],
  ] as const) {
    if (count > MAX_FIELDS) {
      warn(
        `${what} ${count} header fields, and a policy takes ${MAX_FIELDS}: ask AWS for a higher quota`,
      )
    }
  }
  const config: Config = {
    ...(cors !== undefined && { CorsConfig: cors }),
    ...(custom.length > 0 && { CustomHeadersConfig: { Items: custom } }),
    ...(removable.length > 0 && {
      RemoveHeadersConfig: { Items: removable.map(Header => ({ Header })) },
    }),
    ...(Object.keys(securityHeaders).length > 0 && { SecurityHeadersConfig: securityHeaders }),
  }
  if (Object.keys(config).length === 0) return undefined
  const what = behavior === undefined ? (isFiles ? 'files' : 'functions') : behavior.pattern
  return policies.use('ResponseHeadersPolicy', config, `Header fields of answers: ${what}`)
}

/** Fields that a policy has words of its own for, and takes as custom ones from nobody. */
function securityHeader(
  name: string,
  value: string,
  Override: boolean,
): Config | 'unfit' | undefined {
  const word = value.trim()
  switch (name) {
    case 'x-content-type-options':
      return word.toLowerCase() === 'nosniff' ? { ContentTypeOptions: { Override } } : 'unfit'
    case 'x-frame-options':
      return /^(?:DENY|SAMEORIGIN)$/i.test(word)
        ? { FrameOptions: { FrameOption: word.toUpperCase(), Override } }
        : 'unfit'
    case 'referrer-policy':
      return /^(?:no-referrer(?:-when-downgrade)?|(?:strict-)?origin(?:-when-cross-origin)?|same-origin|unsafe-url)$/.test(
        word,
      )
        ? { ReferrerPolicy: { ReferrerPolicy: word, Override } }
        : 'unfit'
    case 'content-security-policy':
      return word !== '' && word.length <= MAX_CSP_LENGTH
        ? { ContentSecurityPolicy: { ContentSecurityPolicy: word, Override } }
        : 'unfit'
    case 'strict-transport-security':
      return parseStrictTransport(word, Override)
    case 'x-xss-protection':
      if (!/^(?:0|1(?:;\s*mode=block)?)$/.test(word)) return 'unfit'
      return {
        XSSProtection: {
          Protection: word !== '0',
          ...(word.includes('block') && { ModeBlock: true }),
          Override,
        },
      }
    default:
      return undefined
  }
}

function parseStrictTransport(text: string, Override: boolean): Config | 'unfit' {
  const directives = text
    .toLowerCase()
    .split(';')
    .map(part => part.trim())
  const maxAge = directives.map(part => /^max-age="?(\d+)"?$/.exec(part)?.[1]).find(Boolean)
  if (maxAge === undefined) return 'unfit'
  const hsts = {
    maxAgeSeconds: Number(maxAge),
    includeSubDomains: directives.includes('includesubdomains'),
    preload: directives.includes('preload'),
  }
  return { StrictTransportSecurity: strictTransport(hsts, Override) }
}

function strictTransport(hsts: Hsts, Override: boolean): Value {
  return {
    AccessControlMaxAgeSec: Math.min(Math.floor(hsts.maxAgeSeconds), MAX_HSTS_SECONDS),
    IncludeSubdomains: hsts.includeSubDomains ?? false,
    Preload: hsts.preload ?? false,
    Override,
  }
}
