import { createHash } from 'node:crypto'
import { lookup } from 'node:dns'
import { Agent, type IncomingMessage, request } from 'node:http'
import { request as requestTls, Agent as TlsAgent } from 'node:https'
import type { LookupFunction } from 'node:net'
import pLimit from 'p-limit'
import type { CloudApi, CloudStatus, LiveRelease } from '../control/cloud-api.ts'
import { compilePathPattern } from '../edge/behaviors/path-pattern.ts'
import { compileHeaderPattern } from '../edge/headers/header-pattern.ts'
import { compilePattern, matchPattern } from '../edge/redirects/pattern.ts'
import { matchRoute, routesOf } from '../edge/site/function-routes.ts'
import { encodePath } from '../edge/site/paths.ts'
import { canonicalPath, ERROR_PAGE } from '../edge/site/pretty-urls.ts'
import { STATEMENT_PATH } from '../edge/site/release-statement.ts'
import type { ReleaseFile } from '../releases/manifest.ts'
import { isSigned, parseStatement, type ReleaseStatement } from '../releases/provenance.ts'
import { MokaError } from '../shared/errors.ts'

const PARALLEL = 16
const TIMEOUT_MS = 30_000
const MAX_STATEMENT_BYTES = 64 * 1024

/** A file whose address answers with something else. */
export interface Deviation {
  path: string
  reason: string
}

export interface Verification {
  statement: ReleaseStatement
  /** Files that are as released; and those behind a lock, a redirect, a function or another origin. */
  files: { asReleased: number; hidden: number }
  deviations: Deviation[]
}

/**
 * Asks a site for every file of the release that is live, and compares. Throws `VERIFY_…` where
 * there is no statement, one that is not signed by this cloud, or one of another release.
 * `host` is the Host that is asked for, where the URL is only the address.
 */
export async function verifySite(
  url: URL,
  host: string | undefined,
  project: string,
  cloud: Pick<CloudApi, 'live'> & { status(): Promise<Pick<CloudStatus, 'signingKey'>> },
): Promise<Verification> {
  const site = new Site(url, host)
  try {
    const { signingKey } = await cloud.status()
    const live = await cloud.live(project)
    if (live === undefined) {
      throw new MokaError(
        'VERIFY_NOT_LIVE',
        `cannot verify project "${project}": it has no live release`,
        {
          hint: '`moka deploy` makes one',
        },
      )
    }
    const statement = await readStatement(site, url)
    checkStatement(statement, url, signingKey, live)
    return { statement, ...(await compareFiles(site, live)) }
  } finally {
    site.close()
  }
}

async function readStatement(site: Site, url: URL): Promise<ReleaseStatement> {
  const address = new URL(STATEMENT_PATH, url).href
  const { status, bytes } = await site.get(STATEMENT_PATH, MAX_STATEMENT_BYTES)
  let statement: ReleaseStatement | undefined
  try {
    statement = status === 200 ? parseStatement(JSON.parse(bytes.toString('utf8'))) : undefined
  } catch {}
  if (statement !== undefined) return statement
  throw new MokaError(
    'VERIFY_NO_STATEMENT',
    `cannot verify "${url.href}": "${address}" answers with ${status} and no statement of a release`,
    { hint: 'check the address; only sites that a Mokapot cloud serves have one' },
  )
}

function checkStatement(
  statement: ReleaseStatement,
  url: URL,
  signingKey: string,
  live: LiveRelease,
): void {
  if (statement.publicKey !== signingKey || !isSigned(statement)) {
    throw new MokaError(
      'VERIFY_NOT_SIGNED',
      `cannot trust "${url.href}": what it says of its release is not signed by this cloud`,
      { hint: 'somebody else serves it, or a cache in between serves something old' },
    )
  }
  if (statement.manifestSha256 === live.manifestSha256) return
  throw new MokaError(
    'VERIFY_OTHER_RELEASE',
    `"${url.href}" serves release "${statement.release}", and "${live.id}" is live`,
    { hint: 'a cache in between may be old; try again in a moment' },
  )
}

async function compareFiles(site: Site, { manifest }: LiveRelease) {
  const paths = new Map(Object.entries(manifest.files))
  const isShadowed = shadowsOf(manifest)
  const mayHide = hidingOf(manifest)
  const limit = pLimit(PARALLEL)
  const outcomes = await Promise.all(
    Array.from(paths, ([path, file]) =>
      limit(async (): Promise<{ path: string; outcome: FileOutcome }> => {
        const address = canonicalPath(paths, path)
        if (isShadowed(address)) return { path, outcome: { kind: 'hidden' } }
        const isHidden = (status: number) => mayHide(status, address, path)
        return { path, outcome: await compareFile(site, { path, address, file, isHidden }) }
      }),
    ),
  )
  const isHidden = ({ outcome }: { outcome: FileOutcome }) => outcome.kind === 'hidden'
  const deviations = outcomes.flatMap(({ path, outcome }) =>
    outcome.kind === 'differs' ? [{ path, reason: outcome.reason }] : [],
  )
  const hidden = outcomes.filter(isHidden).length
  return {
    files: { asReleased: outcomes.length - hidden - deviations.length, hidden },
    deviations,
  }
}

type FileOutcome = { kind: 'same' | 'hidden' } | { kind: 'differs'; reason: string }

async function compareFile(
  site: Site,
  asked: {
    path: string
    address: string
    file: ReleaseFile
    /** Whether the release itself wants that status there. */
    isHidden(status: number): boolean
  },
): Promise<FileOutcome> {
  const { path, address, file, isHidden } = asked
  const { status, bytes } = await site.get(encodePath(address), file.size + 1).catch(error => {
    if (error instanceof MokaError) throw error
    return { status: 0, bytes: Buffer.from(String(error)) }
  })
  if (isHidden(status)) return { kind: 'hidden' }
  if (status === 0) return { kind: 'differs', reason: bytes.toString() }
  const expected = path === ERROR_PAGE ? 404 : 200
  if (status !== expected) return { kind: 'differs', reason: `its address answers with ${status}` }
  const actual = createHash('sha256').update(bytes).digest('hex')
  if (actual === file.sha256) return { kind: 'same' }
  return { kind: 'differs', reason: `its bytes hash to ${actual}, and ${file.sha256} was released` }
}

/**
 * What is not public by the release's own locks, guards and redirects. Any other refusal or
 * redirect is somebody's who stands in between.
 */
function hidingOf({ headers, redirects, behaviors = [] }: LiveRelease['manifest']) {
  const isLock = (name: string) => name.toLowerCase() === 'basic-auth'
  const locks = headers
    .filter(({ values }) => Object.keys(values).some(isLock))
    .map(rule => compileHeaderPattern(rule.for))
  const forced = redirects
    .filter(({ force }) => force === true)
    .map(({ path, from }) => compilePattern(typeof path === 'string' ? path : from))
  const guards = behaviors.map(behavior => ({
    behavior,
    matches: compilePathPattern(behavior.pattern),
  }))
  return (status: number, address: string, path: string): boolean => {
    const isRedirect = [301, 302, 303, 307, 308].includes(status)
    if (!isRedirect && status !== 401 && status !== 403) return false
    if (forced.some(pattern => matchPattern(pattern, address) !== undefined)) return true
    if (status === 401) return locks.some(isLocked => isLocked(address) || isLocked(path))
    const behavior = guards.find(({ matches }) => matches(address) || matches(path))?.behavior
    if (behavior === undefined) return false
    if (isRedirect) return behavior.viewerProtocol === 'redirect-to-https'
    const { countries, signedBy, viewerProtocol } = behavior
    return (countries ?? signedBy) !== undefined || viewerProtocol === 'https-only'
  }
}

/** Which addresses are answered by a function, or by another origin, before any file. */
function shadowsOf({ functions, behaviors = [] }: LiveRelease['manifest']) {
  const routes = routesOf(functions)
  const matchers = behaviors.map(({ pattern, origin }) => ({
    matches: compilePathPattern(pattern),
    isElsewhere: origin !== 'site',
  }))
  return (address: string): boolean =>
    matchRoute(routes, address) !== undefined ||
    matchers.find(({ matches }) => matches(address))?.isElsewhere === true
}

/** Names below `localhost` are this machine (RFC 6761), also where the system does not know it. */
const lookupSite: LookupFunction = (name, options, found) =>
  lookup(name.endsWith('.localhost') ? 'localhost' : name, options, found)

/** One site, asked on few connections. */
class Site {
  readonly #url: URL
  readonly #host: string | undefined
  readonly #agent: Agent

  constructor(url: URL, host: string | undefined) {
    this.#url = url
    this.#host = host
    const options = { keepAlive: true, maxSockets: PARALLEL, lookup: lookupSite }
    this.#agent = url.protocol === 'https:' ? new TlsAgent(options) : new Agent(options)
  }

  /** As it lies on the server, without a compression; at most `maxBytes` of it. */
  get(path: string, maxBytes: number): Promise<{ status: number; bytes: Buffer }> {
    const send = this.#url.protocol === 'https:' ? requestTls : request
    return new Promise((resolve, reject) => {
      const outgoing = send(
        this.#url,
        {
          path,
          agent: this.#agent,
          timeout: TIMEOUT_MS,
          headers: {
            'accept-encoding': 'identity',
            ...(this.#host === undefined ? {} : { host: this.#host }),
          },
        },
        response => {
          readAll(response, maxBytes).then(
            bytes => resolve({ status: response.statusCode ?? 0, bytes }),
            reject,
          )
        },
      )
      outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')))
      outgoing.on('error', error => reject(this.#explain(error)))
      outgoing.end()
    })
  }

  close(): void {
    this.#agent.destroy()
  }

  #explain(error: Error): Error {
    return new MokaError(
      'VERIFY_UNREACHABLE',
      `cannot reach "${this.#url.href}": ${error.message}`,
      {
        hint: 'check the address and whether the cloud runs',
        cause: error,
      },
    )
  }
}

async function readAll(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response) {
    chunks.push(chunk as Buffer)
    size += (chunk as Buffer).length
    if (size > maxBytes) response.destroy() // another file; how long it is does not matter
    if (size > maxBytes) break
  }
  return Buffer.concat(chunks)
}
