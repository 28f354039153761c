import { AwsError } from '../../../aws/errors.ts'
import { invalidArgument } from '../../../aws/xml/shape.ts'
import type {
  EdgeOriginSettings,
  FailoverOriginSettings,
  HttpOriginSettings,
} from '../../behaviors/behavior.ts'
import { isSame } from '../shapes/config.ts'
import {
  type Origin,
  type OriginGroup,
  originGroup,
  origin as originShape,
} from '../shapes/origin.ts'

/** The origin that stands for the release: its files, and the functions at their routes. */
export const SITE = 'site'

const SITE_ORIGIN: Origin = {
  Id: SITE,
  DomainName: 'site.mokapot.internal',
  OriginPath: '',
  CustomHeaders: [],
  S3OriginConfig: { OriginAccessIdentity: '', OriginReadTimeout: undefined },
  CustomOriginConfig: undefined,
  ConnectionTimeout: 10,
}

type Origins = Readonly<Record<string, EdgeOriginSettings>>

const DEFAULT_STATUSES = [500, 502, 503, 504]
const DEFAULT_CONNECT_SECONDS = 10
const DEFAULT_RESPONSE_SECONDS = 30

export function writeOrigins(
  origins: Origins,
  isSiteShown: boolean,
): { Origins: Origin[]; OriginGroups: OriginGroup[] } {
  const all = Object.entries(origins)
  return {
    Origins: [
      ...(isSiteShown ? [SITE_ORIGIN] : []),
      ...all.flatMap(([id, settings]) => ('url' in settings ? [writeOrigin(id, settings)] : [])),
    ],
    OriginGroups: all.flatMap(([id, settings]) =>
      'url' in settings ? [] : [writeGroup(id, settings)],
    ),
  }
}

/**
 * What a configuration makes of the origins there are: those that read the same stay as they are,
 * and in changed ones what CloudFront has no word for. `host` is left as it is.
 */
export function readOrigins(
  said: { Origins: readonly Origin[]; OriginGroups: readonly OriginGroup[] },
  current: Origins,
): Record<string, EdgeOriginSettings> {
  const origins: Record<string, EdgeOriginSettings> = {}
  const take = (id: string, path: string, settings: EdgeOriginSettings) => {
    if (!/^(?! )[\x20-\x7e]{1,128}$/.test(id)) {
      throw invalidArgument(`${path}.Id "${id}" is not 1 to 128 printable ASCII characters.`)
    }
    if (Object.hasOwn(origins, id)) throw invalidArgument(`${path}.Id "${id}" is another origin’s.`)
    Object.defineProperty(origins, id, {
      value: settings,
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
  for (const [index, origin] of said.Origins.entries()) {
    const path = `Origins.Items[${index}]`
    if (origin.Id === SITE) {
      requireSite(origin, path)
      continue
    }
    const before = Object.hasOwn(current, origin.Id) ? current[origin.Id] : undefined
    const known = before !== undefined && 'url' in before ? before : undefined
    const isUnchanged = known && isSame(originShape, writeOrigin(origin.Id, known), origin)
    take(origin.Id, path, isUnchanged ? known : readOrigin(origin, path, known))
  }
  for (const [index, group] of said.OriginGroups.entries()) {
    const path = `OriginGroups.Items[${index}]`
    if (group.Id === SITE) throw invalidArgument(`${path}.Id "${SITE}" is the release’s own.`)
    const before = Object.hasOwn(current, group.Id) ? current[group.Id] : undefined
    const known = before !== undefined && !('url' in before) ? before : undefined
    const isUnchanged = known && isSame(originGroup, writeGroup(group.Id, known), group)
    take(group.Id, path, isUnchanged ? known : readGroup(group, path))
  }
  for (const [id, settings] of Object.entries(origins)) {
    if ('url' in settings) continue
    for (const member of [settings.primary, settings.secondary]) {
      const found = Object.hasOwn(origins, member) ? origins[member] : undefined
      if (found !== undefined && 'url' in found) continue
      const isSite = member === SITE
      throw isSite
        ? invalidArgument(
            `OriginGroups: the group "${id}" has "${SITE}", which cannot fail over here.`,
          )
        : noSuchOrigin(`OriginGroups: the group "${id}"`, member)
    }
  }
  return origins
}

export function noSuchOrigin(whose: string, id: string): AwsError {
  return new AwsError('NoSuchOrigin', 404, `${whose} names origin "${id}", and there is none.`)
}

function requireSite(origin: Origin, path: string): void {
  if (isSame(originShape, origin, SITE_ORIGIN)) return
  throw invalidArgument(
    `${path}: the origin "${SITE}" is the release itself, and stays as GetDistributionConfig gives it.`,
  )
}

function writeOrigin(id: string, settings: HttpOriginSettings): Origin {
  const url = new URL(settings.url)
  const isSecure = url.protocol === 'https:'
  const port = url.port === '' ? undefined : Number(url.port)
  return {
    Id: id,
    DomainName: url.hostname,
    OriginPath: url.pathname.replace(/\/+$/, ''),
    CustomHeaders: Object.entries(settings.headers ?? {}).map(([HeaderName, HeaderValue]) => ({
      HeaderName,
      HeaderValue,
    })),
    S3OriginConfig: undefined,
    CustomOriginConfig: {
      HTTPPort: (isSecure ? undefined : port) ?? 80,
      HTTPSPort: (isSecure ? port : undefined) ?? 443,
      OriginProtocolPolicy: isSecure ? 'https-only' : 'http-only',
      OriginSslProtocols: ['TLSv1.2'],
      OriginReadTimeout: seconds(settings.responseTimeoutMs, DEFAULT_RESPONSE_SECONDS),
    },
    ConnectionTimeout: seconds(settings.connectTimeoutMs, DEFAULT_CONNECT_SECONDS),
  }
}

function readOrigin(
  origin: Origin,
  path: string,
  known: HttpOriginSettings | undefined,
): HttpOriginSettings {
  const { CustomOriginConfig: custom, DomainName, OriginPath } = origin
  if (origin.S3OriginConfig !== undefined) {
    throw invalidArgument(
      `${path}.S3OriginConfig is not supported here: requests to origins are not signed; a bucket that may be read by all is a CustomOriginConfig.`,
    )
  }
  if (custom === undefined) throw invalidArgument(`${path}.CustomOriginConfig is required.`)
  if (custom.OriginProtocolPolicy === 'match-viewer') {
    throw invalidArgument(
      `${path}.CustomOriginConfig.OriginProtocolPolicy match-viewer is not supported here: what one viewer gets is kept for all; say http-only or https-only.`,
    )
  }
  if (!custom.OriginSslProtocols.includes('TLSv1.2')) {
    throw invalidArgument(
      `${path}.CustomOriginConfig.OriginSslProtocols without TLSv1.2 is not supported here: nothing older is spoken.`,
    )
  }
  const isSecure = custom.OriginProtocolPolicy === 'https-only'
  const port = isSecure ? custom.HTTPSPort : custom.HTTPPort
  if (port < 1 || port > 65_535) throw invalidArgument(`${path}: ${port} is no port.`)
  if (!/^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])$/.test(DomainName)) {
    throw new AwsError(
      'InvalidArgument',
      400,
      `${path}.DomainName "${DomainName}" is no host name.`,
    )
  }
  if (!/^(?:\/[^\s?#\\]*[^\s?#\\/])?$/.test(OriginPath)) {
    throw invalidArgument(
      `${path}.OriginPath "${OriginPath}" does not begin, or does end, with "/".`,
    )
  }
  const scheme = isSecure ? 'https' : 'http'
  const shownPort = port === (isSecure ? 443 : 80) ? '' : `:${port}`
  const { headers: _, connectTimeoutMs: _c, responseTimeoutMs: _r, ...kept } = known ?? {}
  const headers = origin.CustomHeaders.map(
    ({ HeaderName, HeaderValue }) => [HeaderName, HeaderValue] as const,
  )
  const names = headers.map(([name]) => name.toLowerCase())
  if (new Set(names).size < names.length) {
    throw invalidArgument(`${path}.CustomHeaders names one header field twice.`)
  }
  return {
    ...kept,
    url: `${scheme}://${DomainName}${shownPort}${OriginPath}`,
    ...(headers.length === 0 ? {} : { headers: Object.fromEntries(headers) }),
    ...timeout('connectTimeoutMs', origin.ConnectionTimeout, DEFAULT_CONNECT_SECONDS, path),
    ...timeout('responseTimeoutMs', custom.OriginReadTimeout, DEFAULT_RESPONSE_SECONDS, path),
  }
}

function writeGroup(id: string, settings: FailoverOriginSettings): OriginGroup {
  return {
    Id: id,
    FailoverCriteria: { StatusCodes: settings.statuses ?? DEFAULT_STATUSES },
    Members: [{ OriginId: settings.primary }, { OriginId: settings.secondary }],
  }
}

function readGroup(group: OriginGroup, path: string): FailoverOriginSettings {
  const [primary, secondary] = group.Members
  if (primary === undefined || secondary === undefined || group.Members.length > 2) {
    throw invalidArgument(`${path}.Members are two, the one asked first and the other.`)
  }
  const statuses = group.FailoverCriteria.StatusCodes
  if (statuses.length === 0 || statuses.some(status => status < 400 || status > 599)) {
    throw invalidArgument(`${path}.FailoverCriteria.StatusCodes are 400 to 599.`)
  }
  return { primary: primary.OriginId, secondary: secondary.OriginId, statuses }
}

function seconds(ms: number | undefined, fallback: number): number {
  return ms === undefined ? fallback : Math.max(1, Math.round(ms / 1000))
}

function timeout(
  name: 'connectTimeoutMs' | 'responseTimeoutMs',
  value: number,
  fallback: number,
  path: string,
): Partial<HttpOriginSettings> {
  if (value < 1 || value > 3600) {
    throw invalidArgument(`${path}: a timeout is 1 to 3600 seconds, not ${value}.`)
  }
  return value === fallback ? {} : { [name]: value * 1000 }
}
