import type { Project } from '../../../../../config/project.ts'
import { MokaError } from '../../../../../shared/errors.ts'
import type { Value } from '../fragment.ts'

type Origins = NonNullable<Project['edge']['origins']>
type OriginSettings = Origins[string]
export type HttpOrigin = Extract<OriginSettings, { url: string }>
type Group = Exclude<OriginSettings, { url: string }>

const MAX_CONNECT_SECONDS = 10
/** Longer only after AWS was asked for it. */
const MAX_RESPONSE_SECONDS = 60
const DEFAULT_STATUSES = [500, 502, 503, 504]
/** Answers of a primary origin that CloudFront can take for failures. */
const FAILURE_STATUSES: ReadonlySet<number> = new Set([
  ...[400, 403, 404, 416, 429, 500, 502, 503, 504],
])
/** Fields that no origin can be sent (CloudFront's manual, "Custom headers that CloudFront can't add"). */
const UNSENDABLE =
  /^(?:cache-control|connection|content-length|cookie|host|if-(?:match|modified-since|none-match|range|unmodified-since)|max-forwards|pragma|proxy-.*|range|request-range|te|trailer|transfer-encoding|upgrade|via|x-amz-.*|x-edge-.*|x-real-ip)$/

export const isGroup = (origin: OriginSettings): origin is Group => 'primary' in origin

/** What behaviors call an origin of the project; 128 characters at most. */
export const originId = (name: string) => `origin-${name}`.slice(0, 128)

type Warn = (problem: string) => void

/** Servers of the project's own. Throws `AWS_ORIGIN_INVALID` for one that CloudFront cannot ask. */
export function customOrigin(id: string, settings: HttpOrigin, warn: Warn): Value {
  const url = new URL(settings.url)
  requireReachable(id, url)
  const isSecure = url.protocol === 'https:'
  const port = url.port === '' ? (isSecure ? 443 : 80) : Number(url.port)
  requirePort(id, port)
  const { host = 'origin', headers = {}, ca } = settings
  if (typeof host === 'object' && host.name !== url.hostname) {
    warn(`origin "${id}" gets its own Host, and not "${host.name}": CloudFront has no other way`)
  }
  if (ca !== undefined) {
    warn(
      `origin "${id}" has a certificate authority of its own, and CloudFront trusts public ones alone`,
    )
  }
  const unsendable = Object.keys(headers).filter(name => UNSENDABLE.test(name.toLowerCase()))
  if (unsendable.length > 0)
    warn(`origin "${id}" does not get ${unsendable.join(', ')}: CloudFront adds no such field`)
  const sent = Object.entries(headers).filter(([name]) => !unsendable.includes(name))
  const path = url.pathname.replace(/\/+$/, '')
  return {
    Id: originId(id),
    DomainName: url.hostname,
    ...(path !== '' && { OriginPath: path }),
    ConnectionTimeout: atMost(
      settings.connectTimeoutMs,
      MAX_CONNECT_SECONDS,
      10,
      `origin "${id}" to connect`,
      warn,
    ),
    ...(sent.length > 0 && {
      OriginCustomHeaders: sent.map(([HeaderName, HeaderValue]) => ({ HeaderName, HeaderValue })),
    }),
    CustomOriginConfig: {
      OriginProtocolPolicy: isSecure ? 'https-only' : 'http-only',
      ...(isSecure ? { HTTPSPort: port, OriginSSLProtocols: ['TLSv1.2'] } : { HTTPPort: port }),
      OriginReadTimeout: atMost(
        settings.responseTimeoutMs,
        MAX_RESPONSE_SECONDS,
        30,
        `origin "${id}" to answer`,
        warn,
      ),
    },
  }
}

/** Two origins as one. */
export function originGroup(id: string, group: Group, warn: Warn): Value {
  const statuses = group.statuses ?? DEFAULT_STATUSES
  const known = statuses.filter(status => FAILURE_STATUSES.has(status))
  const unknown = statuses.filter(status => !FAILURE_STATUSES.has(status))
  if (unknown.length > 0) {
    warn(
      `origin "${id}" does not fail over at ${unknown.join(', ')}: CloudFront knows ${[...FAILURE_STATUSES].join(', ')}`,
    )
  }
  const items = known.length === 0 ? DEFAULT_STATUSES : known
  return {
    Id: originId(id),
    FailoverCriteria: { StatusCodes: { Quantity: items.length, Items: items } },
    Members: {
      Quantity: 2,
      Items: [group.primary, group.secondary].map(name => ({ OriginId: originId(name) })),
    },
  }
}

function atMost(
  ms: number | undefined,
  most: number,
  byDefault: number,
  what: string,
  warn: Warn,
): number {
  const seconds = ms === undefined ? byDefault : Math.max(1, Math.round(ms / 1000))
  if (seconds > most)
    warn(`${what} has ${most} s in place of ${seconds} s, which is CloudFront's limit`)
  return Math.min(seconds, most)
}

function requireReachable(id: string, { hostname }: URL): void {
  const isAddress = /^[\d.]+$|^\[/.test(hostname)
  const isName = hostname.includes('.') && !/(?:^|\.)(?:localhost|local|internal)$/.test(hostname)
  if (!isAddress && isName) return
  throw new MokaError(
    'AWS_ORIGIN_INVALID',
    `cannot make the template: origin "${id}" is at "${hostname}", where CloudFront cannot ask`,
    { hint: 'give it a public name in DNS; addresses and names of a private network are none' },
  )
}

function requirePort(id: string, port: number): void {
  if (port === 80 || port === 443 || port >= 1024) return
  throw new MokaError(
    'AWS_ORIGIN_INVALID',
    `cannot make the template: origin "${id}" is at port ${port}, where CloudFront cannot ask`,
    { hint: 'CloudFront asks at 80, 443 and from 1024 on' },
  )
}
