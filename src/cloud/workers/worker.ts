import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { createEdge, type Edge } from '../../edge/edge.ts'
import { createHookDoor } from '../../edge/hooks/hook-door.ts'
import { openTrafficLog, type TrafficLog } from '../../edge/logs/open-traffic-log.ts'
import { timedOrigin } from '../../edge/metrics/timed-origin.ts'
import type { Origin } from '../../edge/origins/origin.ts'
import { createUnixSocketOrigin } from '../../edge/origins/unix-socket.ts'
import type { EdgeRelease, SiteState } from '../../edge/release.ts'
import { type EdgeServer, openEdgeServer } from '../../edge/server.ts'
import { type IndexedManifest, indexManifest } from '../../releases/manifest-index.ts'
import { systemClock } from '../../shared/clock.ts'
import { formatError, MokaError } from '../../shared/errors.ts'
import { createLogger } from '../../shared/logger.ts'
import { createHttpChallenges } from '../../tls/acme/http-challenges.ts'
import { matchesPattern } from '../../tls/certificates/host-names.ts'
import { createSniContexts } from '../../tls/certificates/sni-contexts.ts'
import type { WorkerStats } from '../metrics/worker-stats.ts'
import { keepImmutable, toEdgeRelease } from './edge-release.ts'
import { RateCounter } from './rate-desk.ts'
import type {
  CertificateMessage,
  RateAnswer,
  SiteMessage,
  WorkerAnswer,
  WorkerNotice,
  WorkerRequest,
} from './worker-protocol.ts'

// An edge worker's process: it holds no truth and may end at any time. The supervisor tells it
// what to serve, and it answers with the hashes of the manifests that it serves from then on.

process.stderr.on('error', () => {}) // whoever read it has gone
const logger = createLogger(line => process.stderr.write(line), 'warn')

let edge: Edge | undefined
let traffic: TrafficLog | undefined
const rates = new RateCounter(question => process.send?.(question), logger)
const servers: EdgeServer[] = []
const contexts = createSniContexts({ alpnProtocols: ['h2', 'http/1.1'], logger })
const challenges = createHttpChallenges()
let blobDirectory = ''
/** Releases that were read, by manifest hash; those no site names any more are let go. */
let releases: Releases = new Map()
let sites: ReadonlyMap<string, SiteState> = new Map()
/** Sites are taken up one after the other, so that the last that were sent are those that stay. */
let lastSites: Promise<unknown> = Promise.resolve()

process.on('message', (request: WorkerRequest | RateAnswer) => {
  if (request.kind === 'rate') return rates.settle(request)
  answer(request).then(
    done => process.send?.(done),
    error => process.send?.(describeFailure(request.id, error)),
  )
})
process.on('disconnect', () => process.exit(0)) // the supervisor is gone
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {}) // it tells us
notify({ kind: 'ready' }) // what came before would be lost

function notify(notice: WorkerNotice): void {
  if (process.connected) process.send?.(notice)
}

async function answer(request: WorkerRequest): Promise<WorkerAnswer> {
  switch (request.kind) {
    case 'start': {
      if (request.certificates !== undefined) takeCertificates(request.certificates)
      const { port, serving } = await start(request)
      return { id: request.id, kind: 'done', port, serving }
    }
    case 'sites': {
      const { serving, failures } = await setSitesInTurn(request.sites)
      const { invalidate } = request
      if (invalidate !== undefined) {
        if (failures.has(invalidate.project)) throw failures.get(invalidate.project)
        edge?.invalidate(invalidate.project, invalidate.patterns, [], invalidate.sequence)
      }
      return { id: request.id, kind: 'done', serving }
    }
    case 'certificates':
      takeCertificates(request.certificates)
      return { id: request.id, kind: 'done' }
    case 'invalidate': {
      const { project, patterns, tags, sequence } = request
      const dropped = edge?.invalidate(project, patterns, tags, sequence) ?? 0
      return { id: request.id, kind: 'done', dropped }
    }
    case 'stats': {
      const stats = statsOf(edge, traffic)
      return { id: request.id, kind: 'done', ...(stats && { stats }) }
    }
    case 'stop': {
      const { idleGraceMs } = request
      const closed = Promise.all(servers.map(server => server.close(idleGraceMs))).then(() =>
        Promise.all([edge?.close(), traffic?.close()]),
      )
      void closed.then(() => setImmediate(() => process.exit(0)))
      await Promise.race([closed, setTimeout(idleGraceMs)])
      return { id: request.id, kind: 'done' }
    }
  }
}

async function start({
  settings,
  sites,
  journal,
}: Extract<WorkerRequest, { kind: 'start' }>): Promise<{
  port: number
  serving: Record<string, string>
}> {
  blobDirectory = settings.blobDirectory
  const { edgeId, trustedProxies } = settings
  const clock = systemClock
  traffic = openTrafficLog({ ...settings.accessLog, edgeId, trustedProxies, clock, logger })
  const { observer, metrics } = traffic
  const observeOrigin = (origin: Origin) =>
    timedOrigin(origin, (...fetched) => metrics.originFetched(...fetched))
  edge = createEdge({
    blobs: {
      path: sha256 => join(blobDirectory, sha256),
      onDamaged: sha256 => notify({ kind: 'damaged', sha256 }),
    },
    functions: observeOrigin(createUnixSocketOrigin({ socketPath: settings.functionsSocket })),
    observeOrigin,
    clock,
    logger,
    trustedProxies,
    ...(settings.https && { httpsPort: settings.https.port }),
    ...(settings.isLocal && { isLocal: true }),
    rateLimits: rates,
    edgeId,
    disk: { directory: join(settings.cacheDirectory, edgeId), journal },
  })
  const { serving } = await setSitesInTurn(sites)
  const { host, https, sockets, hooksSocket } = settings
  const served =
    hooksSocket === undefined
      ? edge
      : createHookDoor(edge, createUnixSocketOrigin({ socketPath: hooksSocket, timeoutMs: 30_000 }))
  const unlimitedClients = ['127.0.0.0/8', '::1', ...trustedProxies]
  const plain = await openEdgeServer({
    edge: served,
    listen: sockets ? { fd: sockets.plain } : { host, port: settings.port },
    logger,
    observer,
    unlimitedClients,
    challenge: path => challenges.answer(path),
    ...(https?.isRedirecting && {
      redirectToHttps: { port: https.port, isExempt: name => !hasCertificate(name) },
    }),
  })
  servers.push(plain)
  if (https !== undefined) {
    const listen = sockets?.https === undefined ? { host, port: https.port } : { fd: sockets.https }
    const secure = { edge: served, listen, logger, observer, unlimitedClients, tls: contexts }
    servers.push(await openEdgeServer(secure))
  }
  return { port: plain.port, serving }
}

function statsOf(edge?: Edge, traffic?: TrafficLog): WorkerStats | undefined {
  if (edge === undefined || traffic === undefined) return undefined
  const { files, responses } = edge.stats()
  const connectionsOpen = servers.reduce((sum, server) => sum + server.connectionCount, 0)
  const connectionsRefused = servers.reduce((sum, server) => sum + server.refusedConnections, 0)
  const connections = { connectionsOpen, connectionsRefused }
  return { ...traffic.stats(), ...connections, caches: { files, responses } }
}

function takeCertificates(message: CertificateMessage): void {
  challenges.set(message.challenges)
  contexts.update(message.material)
}

function hasCertificate(host: string): boolean {
  return contexts.facts().some(({ names }) => names.some(name => matchesPattern(name, host)))
}

interface Taken {
  /** Manifest hashes of what is served from now on, by project. */
  serving: Record<string, string>
  failures: ReadonlyMap<string, unknown>
}

function setSitesInTurn(messages: SiteMessage[]): Promise<Taken> {
  const turn = lastSites.then(() => setSites(messages))
  lastSites = turn.catch(() => {})
  return turn
}

/**
 * Serves what the messages say. A project whose manifest cannot be read stays as it was, and takes
 * no other one with it.
 */
async function setSites(messages: SiteMessage[]): Promise<Taken> {
  const failures = new Map<string, unknown>()
  const next: Releases = new Map()
  const states = new Map<string, SiteState>()
  for (const message of messages) {
    const { project } = message
    const state = await readSite(message, next).catch(error => {
      failures.set(project, error)
      logger.error('a release cannot be served', { project, reason: formatError(error) })
      return sites.get(project)
    })
    if (state !== undefined) states.set(project, state)
  }
  edge?.setSites(states)
  sites = states
  releases = next
  const serving = Object.fromEntries(
    [...states].map(([project, { live }]) => [project, live.manifestSha256]),
  )
  return { serving, failures }
}

async function readSite(message: SiteMessage, next: Releases): Promise<SiteState> {
  const { project, isDisabled, statement, preview } = message
  const live = await takeWhole(message.manifestSha256, message, next)
  const retained: EdgeRelease[] = []
  // Read whole: in a moment it is the live one.
  if (message.next !== undefined) retained.push(await takeWhole(message.next, message, next))
  for (const sha256 of message.retained) {
    const release = await takeRetained(sha256, message, next).catch(error => {
      // Old tabs miss its assets; that is no reason to serve nothing.
      logger.warn('an earlier release cannot be read', { project, reason: formatError(error) })
    })
    if (release !== undefined && release.files.size > 0) retained.push(release)
  }
  return {
    ...{ live, retained },
    ...(statement && { statement }),
    ...(preview && { preview }),
    ...(isDisabled && { isDisabled }),
  }
}

type Releases = Map<string, EdgeRelease>

/** Takes a whole release over from before, or reads it. */
async function takeWhole(sha256: string, site: SiteMessage, next: Releases): Promise<EdgeRelease> {
  const known = find(sha256, site, next)
  const release = known ?? toEdgeRelease(await readManifest(sha256), sha256, site)
  next.set(sha256, release)
  return release
}

/** What stays of a release that was live: of the one before, that is in memory still. */
async function takeRetained(
  sha256: string,
  site: SiteMessage,
  next: Releases,
): Promise<EdgeRelease> {
  const key = `${sha256} retained`
  const release =
    find(key, site, next) ??
    keepImmutable(
      find(sha256, site, next) ?? toEdgeRelease(await readManifest(sha256), sha256, site),
    )
  next.set(key, release)
  return release
}

function find(
  key: string,
  { project, hosts }: SiteMessage,
  next: Releases,
): EdgeRelease | undefined {
  const known = next.get(key) ?? releases.get(key)
  return known?.project === project && known.hosts.join() === hosts.join() ? known : undefined
}

async function readManifest(sha256: string): Promise<IndexedManifest> {
  const bytes = await readFile(join(blobDirectory, sha256))
  const actual = createHash('sha256').update(bytes).digest('hex')
  // Its hash says that it is what was checked field by field before it was stored. To check it
  // again takes twice as long as to read it, and there may be a hundred retained ones.
  if (actual === sha256) return indexManifest(bytes)
  throw new MokaError(
    'EDGE_MANIFEST_DAMAGED',
    `cannot serve the release with manifest ${sha256}: its bytes hash to ${actual}`,
    { hint: 'the disk may be failing; deploy again, or roll back' },
  )
}

function describeFailure(id: number, error: unknown): WorkerAnswer {
  if (!(error instanceof MokaError)) {
    const message = error instanceof Error ? error.message : String(error)
    return { id, kind: 'failed', code: 'EDGE_WORKER_FAILED', message }
  }
  const { code, message, hint } = error
  return { id, kind: 'failed', code, message, ...(hint === undefined ? {} : { hint }) }
}
