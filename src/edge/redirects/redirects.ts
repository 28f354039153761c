import type { RedirectRule } from '../release.ts'
import { type ConditionContext, meetsConditions } from './conditions.ts'
import { type Destination, fillDestination } from './destination.ts'
import { type Captures, compilePattern, matchPattern, type PathPattern } from './pattern.ts'

/** A rule ready to be matched. */
export interface CompiledRedirect {
  readonly rule: RedirectRule
  readonly pattern: PathPattern
}

export interface RedirectRequest {
  /** Decoded. */
  path: string
  /** With its "?", or empty. */
  query: string
  host: string
  scheme: 'http' | 'https'
  conditions: ConditionContext
}

export type RedirectOutcome =
  | { kind: 'redirect'; status: number; location: string; isForced: boolean }
  /** Content of another path of this site under that status, 200 or 404 mostly. */
  | { kind: 'rewrite'; status: number; to: string; isForced: boolean }
  /** A 200 to another site. */
  | { kind: 'proxy'; to: string; isForced: boolean }
  | { kind: 'none' }

const REDIRECT_STATUS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

export function compileRedirects(rules: readonly RedirectRule[]): readonly CompiledRedirect[] {
  return rules.map(rule => ({ rule, pattern: compilePattern(rule.path ?? rule.from) }))
}

/**
 * The first rule that matches a request, as Netlify has it: path, then query parameters (exactly
 * those that the rule names), then conditions. `isSamePage` tells whether a path is the page that
 * was asked for; a rule that would send a visitor there again is passed over, or it would never
 * end (a slash at the end is none of a rule's business: pretty URLs decide it).
 */
export function matchRedirect(
  redirects: readonly CompiledRedirect[],
  request: RedirectRequest,
  isSamePage: (encodedPath: string) => boolean,
): RedirectOutcome {
  for (const { rule, pattern } of redirects) {
    const captures = matchRule(rule, pattern, request)
    if (captures === undefined) continue
    const outcome = apply(rule, fillDestination(rule.to, captures), request, isSamePage)
    if (outcome !== undefined) return outcome
  }
  return { kind: 'none' }
}

function matchRule(
  rule: RedirectRule,
  pattern: PathPattern,
  request: RedirectRequest,
): Captures | undefined {
  if (rule.host !== undefined && hostName(rule.host) !== request.host) return undefined
  if (rule.scheme !== undefined && rule.scheme !== request.scheme) return undefined
  const captures = matchPattern(pattern, request.path)
  if (captures === undefined) return undefined
  const queryCaptures = matchQuery(rule.query, request.query)
  if (queryCaptures === undefined) return undefined
  if (!meetsConditions(rule.conditions, request.conditions)) return undefined
  return new Map([...captures, ...queryCaptures])
}

function hostName(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, '')
}

/** `id=:id` matches a query that has `id` and nothing else; `id=5` wants that value. */
function matchQuery(wanted: RedirectRule['query'], query: string): Captures | undefined {
  const names = Object.keys(wanted ?? {})
  const captures = new Map<string, string>()
  if (names.length === 0) return captures
  const given = new URLSearchParams(query)
  if (new Set(given.keys()).size !== names.length) return undefined
  for (const name of names) {
    const value = given.get(name)
    const pattern: string | undefined = wanted?.[name]
    if (value === null) return undefined
    if (pattern?.startsWith(':') === true) captures.set(pattern.slice(1), value)
    else if (pattern !== undefined && pattern !== value) return undefined
  }
  return captures
}

/** Undefined where the rule is to be passed over. */
function apply(
  rule: RedirectRule,
  to: Destination,
  request: RedirectRequest,
  isSamePage: (encodedPath: string) => boolean,
): RedirectOutcome | undefined {
  const status = rule.status ?? 301
  const isForced = rule.force === true
  if (to.kind === 'refused') return undefined
  // Parameters that the rule names are spent; others go along where `to` brings none of its own.
  const isQuerySpent = Object.keys(rule.query ?? {}).length > 0
  const passedQuery = isQuerySpent ? '' : request.query
  if (to.kind === 'url') {
    if (!REDIRECT_STATUS.has(status)) return { kind: 'proxy', to: to.url.href, isForced }
    if (!to.hasQuery) to.url.search = passedQuery
    const isHere =
      to.url.host.replace(/:\d*$/, '') === request.host &&
      to.url.protocol === `${request.scheme}:` &&
      // Of a URL an empty query is none.
      to.url.search === (request.query === '?' ? '' : request.query) &&
      isSamePage(to.url.pathname)
    return isHere ? undefined : { kind: 'redirect', status, location: to.url.href, isForced }
  }
  const query = to.query === '' ? passedQuery : to.query
  if (!REDIRECT_STATUS.has(status)) {
    return { kind: 'rewrite', status, to: to.path, isForced }
  }
  if (query === request.query && isSamePage(to.path)) return undefined
  return { kind: 'redirect', status, location: `${to.path}${query}${to.fragment}`, isForced }
}
