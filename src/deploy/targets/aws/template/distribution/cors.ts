import type { Value } from '../fragment.ts'

type Fields = Map<string, { value: string; isForced: boolean }>

const PREFIX = 'access-control-'
const METHODS: ReadonlySet<string> = new Set([
  'GET',
  'DELETE',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'POST',
  'PUT',
])

/**
 * Fields of the CORS protocol in the words that CloudFront has for them, taken out of `fields`: as
 * custom ones it refuses them. It adds them where the request has Origin.
 */
export function takeCors(fields: Fields, warn: (problem: string) => void): Value | undefined {
  const taken = new Map(
    [...fields].filter(([name]) => name.startsWith(`${PREFIX}allow-`) || isOther(name)),
  )
  for (const name of taken.keys()) fields.delete(name)
  if (taken.size === 0) return undefined
  const said = (name: string) => taken.get(`${PREFIX}${name}`)?.value.trim()
  const origin = said('allow-origin')
  const isOrigin = origin === '*' || /^https?:\/\/[^\s,/]+$/.test(origin ?? '')
  const hasCredentials = said('allow-credentials') === 'true'
  // What is said of neither is what a browser sends without asking, so that nothing is opened by it.
  const methods = listOf(said('allow-methods'), ['GET', 'HEAD'])
  const headers = listOf(said('allow-headers'), ['Accept'])
  const isFit =
    methods.every(method => method === '*' || METHODS.has(method)) &&
    !(hasCredentials && headers.includes('*'))
  if (!isOrigin || !isFit) {
    warn(`sets ${[...taken.keys()].join(', ')} to what CloudFront has no word for`)
    return undefined
  }
  const exposed = listOf(said('expose-headers'), [])
  const maxAge = Number(said('max-age'))
  return {
    AccessControlAllowCredentials: hasCredentials,
    AccessControlAllowHeaders: { Items: headers },
    AccessControlAllowMethods: { Items: methods.includes('*') ? ['ALL'] : methods },
    AccessControlAllowOrigins: { Items: [origin!] },
    ...(exposed.length > 0 && { AccessControlExposeHeaders: { Items: exposed } }),
    ...(Number.isInteger(maxAge) && maxAge >= 0 && { AccessControlMaxAgeSec: maxAge }),
    OriginOverride: [...taken.values()].some(({ isForced }) => isForced),
  }
}

const isOther = (name: string) => /^access-control-(?:expose-headers|max-age)$/.test(name)

function listOf(value: string | undefined, otherwise: string[]): string[] {
  const items = (value ?? '').split(',').flatMap(item => item.trim() || [])
  return items.length === 0 ? otherwise : [...new Set(items)]
}
