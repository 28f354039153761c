// The path of a request:
//
//   parse target → read Host → pick site → decode path → preview's password?
//     → behavior? (viewer protocol → guard)
//     → function route? → origin of the behavior? → forced redirect → file → retained asset
//     → redirect → 404
//
// Each step below, in that order. A request keeps the SiteState it began with to its end. What a
// redirect rule leads to is behind its own guard as well.

import { Fields } from '../http/fields.ts'
import type { EdgeBehavior } from './behaviors/behavior.ts'
import type { BehaviorGateway } from './behaviors/behavior-gateway.ts'
import { applyResponseHeaders } from './behaviors/response-headers.ts'
import { refuseInsecure } from './behaviors/viewer-protocol.ts'
import type { BlobSource } from './files/blob-source.ts'
import { type FileToSend, respondWithFile } from './files/file-response.ts'
import type { FunctionCall, FunctionGateway } from './functions/function-gateway.ts'
import { isAuthorised } from './headers/basic-auth.ts'
import { applySecurityDefaults, credentialsFor } from './headers/header-rules.ts'
import { applyStrictTransport } from './headers/strict-transport.ts'
import { clientAddress, normaliseAddress, type TrustedProxies } from './origins/client-address.ts'
import { type ForwardedFor, isSecureFor } from './origins/forwarded-fields.ts'
import { errorPage } from './pages.ts'
import { leadToPreview, type PreviewDoor } from './previews/preview-door.ts'
import { type Countries, namesCountry } from './protection/countries/countries.ts'
import { type Guard, isGuarded } from './protection/guard.ts'
import { withoutSignature } from './protection/signed/request-signature.ts'
import { parseCookies } from './redirects/conditions.ts'
import { matchRedirect, type RedirectOutcome } from './redirects/redirects.ts'
import type { EdgeFile, EdgeRelease, FunctionRoute, SiteState } from './release.ts'
import {
  behaviorOfFile,
  type CompiledRules,
  matchBehavior,
  type RuleCompiler,
} from './site/compiled-site.ts'
import { matchRoute } from './site/function-routes.ts'
import { parseHost, pickSite, type SiteIndex } from './site/hosts.ts'
import { decodePath, encodePath } from './site/paths.ts'
import { canonicalPath, ERROR_PAGE, findFile, resolveFile } from './site/pretty-urls.ts'
import { STATEMENT_PATH, statementResponse } from './site/release-statement.ts'
import { MAX_FIELD_LINES, parseRequestTarget } from './site/request-target.ts'
import { NO_BODY, type ViewerRequest, type ViewerResponse } from './viewer.ts'

export interface AnswerParts {
  blobs: BlobSource
  functions: FunctionGateway
  behaviors: BehaviorGateway
  guard: Guard
  previews: PreviewDoor
  countries: Countries
  rules: RuleCompiler
  trustedProxies: TrustedProxies
  httpsPort: number
}

/** What is known of a request once its site is found. */
interface SiteRequest {
  request: ViewerRequest
  requestId: string
  now: number
  site: SiteState
  rules: CompiledRules
  /** Decoded; and as the viewer encoded it. */
  path: string
  rawPath: string
  /** With its "?", or empty; as received, and without the signature that has let it in. */
  receivedQuery: string
  query: string
  host: string
  hostField: string
  /** The behavior of its path. */
  behavior: EdgeBehavior | undefined
  /** Those that have let it in. */
  admittedBy: readonly EdgeBehavior[]
  /** Fields that tell of rate limits. */
  told: [string, string][]
}

const ALLOWED = 'GET, HEAD, OPTIONS'

/** Answers one request from one snapshot of the sites. Rejects only with `BlobDamagedError`. */
export async function answer(
  request: ViewerRequest,
  index: SiteIndex,
  parts: AnswerParts,
  requestId: string,
  now: number,
): Promise<ViewerResponse> {
  const located = locate(request, index)
  if (located.kind === 'answered') return located.response
  const { site, path, rawPath, query, host, hostField } = located
  const led = leadToPreview(index, { request, ...located })
  if (led !== undefined) return led
  const rules = parts.rules.rulesOf(site.live)
  const asked: SiteRequest = {
    request,
    requestId,
    now,
    site,
    rules,
    path,
    rawPath,
    receivedQuery: query,
    query,
    host,
    hostField,
    behavior: matchBehavior(rules, path),
    admittedBy: [],
    told: [],
  }
  const open = () => answerForSite(asked, parts)
  const response = await (site.preview ? parts.previews.open(site.preview, request, open) : open())
  for (const [name, value] of asked.told) response.fields.set(name, value)
  if (!response.fields.has('x-moka-release')) response.fields.set('x-moka-release', site.live.id)
  response.log = { ...response.log, project: site.live.project }
  applyStrictTransport(response.fields, site.live.hsts, request.isSecure)
  return response
}

type Located =
  | { kind: 'answered'; response: ViewerResponse }
  | {
      kind: 'located'
      site: SiteState
      path: string
      rawPath: string
      query: string
      host: string
      hostField: string
    }

/** parse target → read Host → pick site → decode path */
function locate(request: ViewerRequest, index: SiteIndex): Located {
  const refuse = (status: number, message: string): Located => ({
    kind: 'answered',
    response: errorPage(status, message, request.fields),
  })
  if (/^(?:TRACE|CONNECT)$/.test(request.method)) {
    return { kind: 'answered', response: methodNotAllowed(request.fields) }
  }
  if (request.fields.lineCount > MAX_FIELD_LINES) {
    return refuse(431, `The request has more than ${MAX_FIELD_LINES} header fields.`)
  }
  const target = parseRequestTarget(request.method, request.target)
  if (target.kind === 'too-long') return refuse(414, 'The address is longer than 8192 characters.')
  if (target.kind === 'malformed') return refuse(400, 'The request target is malformed.')
  const hosts = request.fields.lines('host')
  if (hosts.length > 1) return refuse(400, 'The request has more than one Host.')
  if (hosts.length === 0 && request.version !== '1.0')
    return refuse(400, 'The request has no Host.')
  if (target.kind === 'server') return { kind: 'answered', response: options() }
  const hostField = target.authority ?? hosts[0]
  // HTTP/1.0 knows no Host; such a request gets the only site there is.
  const host = hostField === undefined ? '' : parseHost(hostField)
  if (host === undefined) return refuse(400, 'The Host of the request is malformed.')
  const picked = pickSite(index, host)
  if (picked.kind === 'no-site') return refuse(503, 'Nothing was deployed here yet.')
  if (picked.kind === 'unknown-host') {
    return refuse(421, 'This server is up, but no site with that name lives here.')
  }
  if (picked.kind === 'no-preview') return refuse(404, 'There is no such preview any more.')
  if (picked.kind === 'disabled') return refuse(403, 'This site is switched off.')
  const path = decodePath(target.rawPath)
  if (path === undefined) return refuse(400, 'The path of the request is malformed.')
  const { rawPath, query } = target
  const { site } = picked
  return {
    kind: 'located',
    site,
    path,
    rawPath,
    query,
    host,
    // An HTTP/1.0 request without Host still has to tell the function some name.
    hostField: hostField ?? site.live.hosts[0] ?? 'localhost',
  }
}

/** statement? → behavior? (viewer protocol → guard) → what is behind it */
async function answerForSite(asked: SiteRequest, parts: AnswerParts): Promise<ViewerResponse> {
  const { statement } = asked.site
  if (statement !== undefined && asked.path === STATEMENT_PATH && isRead(asked.request)) {
    return statementResponse(statement, asked.request.method === 'HEAD')
  }
  const { behavior, request, rawPath, receivedQuery, hostField } = asked
  if (behavior === undefined) return answerFromWithin(asked, parts)
  if (!isSecure(asked, parts)) {
    const target = `${rawPath}${receivedQuery}`
    // A proxy that is trusted ends TLS itself, where the world expects it.
    const httpsPort = contextOf(asked, parts).isPeerTrusted ? 443 : parts.httpsPort
    const refusal = refuseInsecure(behavior, request, { host: hostField, target, httpsPort })
    if (refusal !== undefined) return refusal
  }
  return behindGuard(asked, parts, behaviorOfMerged(asked), seen =>
    behindGuard(seen, parts, behavior, async admitted => {
      const response = await answerFromWithin(admitted, parts)
      applyResponseHeaders(response.fields, behavior.responseHeaders)
      return response
    }),
  )
}

/** For many an origin `/a//b` is `/a/b`: whoever may not see the one must not ask for the other. */
function behaviorOfMerged({ rules, path, behavior }: SiteRequest): EdgeBehavior | undefined {
  return path.includes('//') ? matchBehavior(rules, path.replace(/\/{2,}/g, '/')) : behavior
}

/** What a behavior's guard, where it has one, lets a visitor see. */
async function behindGuard(
  asked: SiteRequest,
  parts: AnswerParts,
  behavior: EdgeBehavior | undefined,
  open: (admitted: SiteRequest) => Promise<ViewerResponse>,
): Promise<ViewerResponse> {
  if (behavior === undefined || asked.admittedBy.includes(behavior)) return open(asked)
  const admittedBy = [...asked.admittedBy, behavior]
  if (!isGuarded(behavior)) return open({ ...asked, admittedBy })
  const { request, site, rawPath, receivedQuery, hostField, now } = asked
  const outcome = await parts.guard.admit(behavior, {
    release: site.live,
    fields: request.fields,
    origin: `${isSecure(asked, parts) ? 'https' : 'http'}://${hostField}`,
    rawPath,
    query: receivedQuery,
    client: contextOf(asked, parts).client,
    now,
  })
  if (outcome.kind === 'refused') return outcome.response
  asked.told.push(...outcome.fields)
  const query = behavior.signedBy === undefined ? asked.query : withoutSignature(asked.query)
  return open({ ...asked, admittedBy, query })
}

/** function route? → origin of the behavior? → forced redirect → file → … */
async function answerFromWithin(asked: SiteRequest, parts: AnswerParts): Promise<ViewerResponse> {
  const { request, site, path, behavior } = asked
  const route = matchRoute(site.live.routes, path)
  if (route !== undefined) {
    return callFunction(asked, parts, route, path, asked.rawPath, asked.query)
  }
  if (behavior !== undefined && behavior.origin !== 'site') {
    return followBehavior(asked, parts, behavior)
  }
  if (request.method === 'OPTIONS') return options()
  const filePath = findFile(site.live.files, path)
  const names = filePath === undefined ? [path] : [path, filePath]
  return behindLock(asked, names, () => answerStatically(asked, parts))
}

/** What the lock of these paths, where they have one, lets a visitor see. */
async function behindLock(
  { request, rules }: SiteRequest,
  paths: readonly string[],
  open: () => Promise<ViewerResponse>,
): Promise<ViewerResponse> {
  const credentials = credentialsFor(rules.headers, paths)
  if (credentials === undefined) return open()
  if (!isAuthorised(request.fields.get('authorization'), credentials)) {
    return unauthorised(request.fields)
  }
  const response = await open()
  // What was behind a lock stays with whom it was opened for.
  response.fields.set('cache-control', 'private, no-cache')
  return response
}

async function answerStatically(asked: SiteRequest, parts: AnswerParts): Promise<ViewerResponse> {
  const redirect = findRedirect(asked, parts)
  if (redirect.kind !== 'none' && redirect.isForced) return follow(asked, parts, redirect)
  const { live, retained } = asked.site
  const found = resolveFile(live.files, asked.path)
  if (found.kind !== 'none' && !isErrorPage(asked)) {
    if (!isRead(asked.request)) return methodNotAllowed(asked.request.fields)
    if (found.kind === 'moved') {
      return redirectTo(301, `${encodePath(found.path)}${asked.receivedQuery}`)
    }
    const guard = behaviorOfFile(asked.rules, live.files, found.path)
    return behindGuard(asked, parts, guard, admitted =>
      sendFile(admitted, parts, live, found.file, 200),
    )
  }
  for (const release of retained) {
    const file = release.files.get(asked.path)
    if (file?.immutable !== true) continue
    if (!isRead(asked.request)) return methodNotAllowed(asked.request.fields)
    const response = await sendFile(asked, parts, release, file, 200)
    response.fields.set('x-moka-release', release.id)
    return response
  }
  if (redirect.kind !== 'none') return follow(asked, parts, redirect)
  return notFound(asked, parts)
}

function findRedirect(asked: SiteRequest, parts: AnswerParts): RedirectOutcome {
  const { request, rules, site, path } = asked
  if (rules.redirects.length === 0) return { kind: 'none' }
  const file = findFile(site.live.files, path)
  const isSamePage = (encodedPath: string) => {
    const other = decodePath(encodedPath)
    if (other === undefined) return false
    if (withoutSlash(other) === withoutSlash(path)) return true
    return file !== undefined && findFile(site.live.files, other) === file
  }
  return matchRedirect(
    rules.redirects,
    {
      path,
      query: asked.query,
      host: asked.host,
      scheme: request.isSecure ? 'https' : 'http',
      conditions: {
        acceptLanguage: request.fields.get('accept-language'),
        cookies: parseCookies(request.fields.get('cookie')),
        get country() {
          return parts.countries.countryOf(contextOf(asked, parts).client)?.toLowerCase()
        },
      },
    },
    isSamePage,
  )
}

async function follow(
  asked: SiteRequest,
  parts: AnswerParts,
  redirect: Exclude<RedirectOutcome, { kind: 'none' }>,
): Promise<ViewerResponse> {
  const { request, site } = asked
  if (redirect.kind === 'redirect') return redirectTo(redirect.status, redirect.location)
  if (redirect.kind === 'proxy') return proxyTo(asked, parts, new URL(redirect.to))
  const to = decodePath(redirect.to)
  if (to === undefined) return notFound(asked, parts)
  const route = redirect.status === 200 ? matchRoute(site.live.routes, to) : undefined
  // A function gets the visitor's query, not the rule's: Netlify's quirk, and frameworks count on it.
  if (route !== undefined) {
    return behindGuard(asked, parts, matchBehavior(asked.rules, to), admitted =>
      callFunction(admitted, parts, route, to, redirect.to, admitted.query),
    )
  }
  const filePath = findFile(site.live.files, to)
  const file = filePath === undefined ? undefined : site.live.files.get(filePath)
  if (filePath === undefined || file === undefined) return notFound(asked, parts)
  if (!isRead(request)) return methodNotAllowed(request.fields)
  // A rule that takes its target from the visitor must not lead around a guard or a lock.
  const guard = behaviorOfFile(asked.rules, site.live.files, filePath)
  return behindGuard(asked, parts, guard, admitted =>
    behindLock(admitted, [canonicalPath(site.live.files, filePath), filePath], () =>
      sendFile(admitted, parts, site.live, file, redirect.status),
    ),
  )
}

async function notFound(asked: SiteRequest, parts: AnswerParts): Promise<ViewerResponse> {
  const { live } = asked.site
  const page = live.files.get(ERROR_PAGE)
  if (page === undefined || !isRead(asked.request)) {
    return errorPage(404, 'There is no page at this address.', asked.request.fields)
  }
  return sendFile(asked, parts, live, page, 404)
}

function sendFile(
  asked: SiteRequest,
  parts: AnswerParts,
  release: EdgeRelease,
  file: EdgeFile,
  status: number,
): Promise<ViewerResponse> {
  const { request, path, now, rules } = asked
  const method = request.method === 'HEAD' ? 'HEAD' : 'GET'
  const sending: FileToSend = {
    file,
    status,
    modifiedMs: release.modifiedMs,
    headerRules: rules.headers,
  }
  return respondWithFile(parts.blobs, { method, fields: request.fields, path, now }, sending)
}

function callFunction(
  asked: SiteRequest,
  parts: AnswerParts,
  route: FunctionRoute,
  path: string,
  rawPath: string,
  query: string,
): Promise<ViewerResponse> {
  const { request, site } = asked
  return parts.functions.respond({
    request,
    release: site.live,
    route,
    path,
    target: `${rawPath}${query}`,
    context: contextOf(asked, parts),
  })
}

function followBehavior(
  asked: SiteRequest,
  parts: AnswerParts,
  behavior: EdgeBehavior,
): Promise<ViewerResponse> {
  const { request, site, path, rawPath, query } = asked
  const { files } = site.live
  return parts.behaviors.respond({
    request,
    release: site.live,
    behavior,
    origins: site.live.origins ?? {},
    path,
    rawPath,
    query,
    context: contextOf(asked, parts),
    async page(pagePath, status) {
      const file = files.get(pagePath)
      return file === undefined ? undefined : sendFile(asked, parts, site.live, file, status)
    },
  })
}

/** A 200 rule to another site, as at Netlify: that site's answer under this address. */
function proxyTo(asked: SiteRequest, parts: AnswerParts, to: URL): Promise<ViewerResponse> {
  const path = decodePath(to.pathname)
  if (path === undefined) return notFound(asked, parts)
  const { request, site, rules } = asked
  // The name and the password that have opened our lock are none of that site's business.
  if (credentialsFor(rules.headers, [asked.path]) !== undefined) {
    request.fields.delete('authorization')
  }
  return parts.behaviors.respond({
    request,
    release: site.live,
    behavior: { pattern: asked.path, origin: 'proxied', methods: 'all' },
    origins: { proxied: { url: to.origin } },
    path: asked.path,
    rawPath: to.pathname,
    query: to.search === '' ? asked.query : to.search,
    context: contextOf(asked, parts),
    page: async () => undefined,
  })
}

/** What an origin is told of who asks, as far as the behaviors that let him in have a say. */
function contextOf(
  { request, requestId, hostField, behavior, admittedBy }: SiteRequest,
  parts: AnswerParts,
): FunctionCall['context'] & Pick<ForwardedFor, 'isSigned' | 'country'> {
  const context = callContext(request, requestId, hostField, parts.trustedProxies)
  const country =
    behavior && namesCountry(behavior) ? parts.countries.countryOf(context.client) : undefined
  return {
    ...context,
    ...(admittedBy.some(({ signedBy }) => signedBy !== undefined) && { isSigned: true }),
    ...(country === undefined ? {} : { country }),
  }
}

function isSecure(asked: SiteRequest, parts: AnswerParts): boolean {
  const { request } = asked
  const { isPeerTrusted } = contextOf(asked, parts)
  return isSecureFor(request.fields, { isPeerTrusted, isSecure: request.isSecure })
}

/** What an origin is told of who asks. */
export function callContext(
  request: ViewerRequest,
  requestId: string,
  host: string,
  trustedProxies: TrustedProxies,
): FunctionCall['context'] {
  const peerAddress = normaliseAddress(request.peerAddress)
  const forwardedFor = request.fields.get('x-forwarded-for')
  return {
    requestId,
    client: clientAddress(peerAddress, forwardedFor, trustedProxies),
    peerAddress,
    isPeerTrusted: trustedProxies.includes(peerAddress),
    host,
  }
}

/** The error page asked for by its own name is still the error page, as at Netlify. */
function isErrorPage(asked: SiteRequest): boolean {
  return findFile(asked.site.live.files, asked.path) === ERROR_PAGE
}

function isRead(request: ViewerRequest): boolean {
  return request.method === 'GET' || request.method === 'HEAD'
}

function withoutSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
}

/** Revalidated each time, also a 301: the next deploy may put a page there. */
function redirectTo(status: number, location: string): ViewerResponse {
  const fields = new Fields()
    .set('location', location)
    .set('cache-control', 'public, max-age=0, must-revalidate')
    .set('content-length', '0')
  applySecurityDefaults(fields)
  return { status, fields, body: NO_BODY }
}

function options(): ViewerResponse {
  return { status: 204, fields: new Fields().set('allow', ALLOWED), body: NO_BODY }
}

function methodNotAllowed(request: Fields): ViewerResponse {
  return errorPage(405, 'This address takes GET and HEAD only.', request, {
    fields: [['allow', ALLOWED]],
  })
}

function unauthorised(request: Fields): ViewerResponse {
  return errorPage(401, 'This page wants a name and a password.', request, {
    fields: [['www-authenticate', 'Basic realm="site", charset="UTF-8"']],
  })
}
