import type { Fields } from '../../http/fields.ts'
import { decodePath } from '../site/paths.ts'
import type { CacheCall, OriginAnswer } from './cache-call.ts'

/** Methods that change nothing (RFC 9110 §9.2.1). What we do not know may change anything. */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/**
 * Paths whose stored responses a request made old (RFC 9111 §4.4): its own, and those that the
 * answer names, where they are of the same host. None where it failed.
 */
export function pathsMadeOld(call: CacheCall, answer: OriginAnswer): string[] {
  if (SAFE.has(call.request.method) || answer.status >= 400) return []
  const paths = [call.key.path]
  for (const name of ['location', 'content-location']) {
    const target = sameHostTarget(call, answer.fields.get(name))
    const path = target === undefined ? undefined : decodePath(target.split('?')[0]!)
    if (path !== undefined) paths.push(path)
  }
  return paths
}

/**
 * Whether the answer to a POST is what a GET of the same address would give (RFC 9110 §9.3.3): it
 * says so by Content-Location.
 */
export function answersGet(call: CacheCall, answer: OriginAnswer): boolean {
  const isPost = call.request.method === 'POST' && answer.status === 200
  return isPost && sameHostTarget(call, answer.fields.get('content-location')) === call.target
}

/** Path and query of a reference, where it leads to this host as viewer or origin call it. */
function sameHostTarget(call: CacheCall, reference: string | undefined): string | undefined {
  if (reference === undefined) return undefined
  const hosts = hostsOf(call.request.fields, call.forwarded)
  const base = `http://${hosts[0] ?? 'localhost'}${call.target}`
  if (!URL.canParse(reference, base)) return undefined
  const url = new URL(reference, base)
  return hosts.includes(url.host) ? `${url.pathname}${url.search}` : undefined
}

function hostsOf(...requests: readonly Fields[]): string[] {
  return requests.flatMap(fields => {
    const host = fields.get('host')
    if (host === undefined || !URL.canParse(`http://${host}`)) return []
    return [new URL(`http://${host}`).host]
  })
}
