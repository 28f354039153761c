import { join } from 'node:path'
import { openObjectStore } from '../bucket/bucket.ts'
import type { CloudAddresses, CloudApi } from '../control/cloud-api.ts'
import { DeployTokens } from '../control/deploy-tokens.ts'
import { isSameSecret, openControlServer } from '../control/server.ts'
import { openDatabase } from '../database/database.ts'
import { openDnsServer } from '../dns/server.ts'
import type { AccessLogFormat } from '../edge/logs/open-traffic-log.ts'
import { openFunctions } from '../functions/functions.ts'
import { openLogStore } from '../functions/logs/log-store.ts'
import { openPipeline } from '../pipeline/pipeline.ts'
import { projectOfSite } from '../releases/previews/preview-name.ts'
import { openReleaseSigner } from '../releases/provenance.ts'
import { ReleaseStore } from '../releases/release-store.ts'
import { Releases } from '../releases/releases.ts'
import { type Clock, systemClock } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import { readAccessKey } from './aws/access-key.ts'
import { openAwsDoors } from './aws/aws-doors.ts'
import { DistributionRecords } from './aws/distribution-records.ts'
import { CloudBackend } from './cloud-backend.ts'
import { DamagedBlobs } from './data/damaged-blobs.ts'
import { listProjects, openDataDirectory } from './data/data-directory.ts'
import { manifestStore } from './data/manifest-store.ts'
import { startPruning } from './data/pruning.ts'
import { Databases } from './databases.ts'
import { FunctionVersions } from './function-versions.ts'
import { Https, type HttpsSource } from './https/https.ts'
import { Notifier } from './notifications/notifier.ts'
import { createDeployer, openBuildUsers } from './pipeline.ts'
import { createPreviews, tendPreviews } from './previews/open-previews.ts'
import { PreviewDatabases } from './previews/preview-databases.ts'
import { maskLogger, maskLogs } from './secrets/masking.ts'
import { ProjectSecrets } from './secrets/project-secrets.ts'
import { checkSecrets, SecretsDesk, secretVariables } from './secrets/secrets-desk.ts'
import { openSecretsKey } from './secrets/secrets-key.ts'
import { Sites } from './sites.ts'
import { EdgeWorkers } from './workers/edge-workers.ts'
import type { EdgeRuntime } from './workers/worker-runtime.ts'

export interface CloudOptions {
  mode: 'dev' | 'up'
  directory: string
  /** The one project this cloud is for: what else its data directory holds is not served. */
  only?: string
  /** Told of each release that has gone live, when every edge worker was asked to confirm it. */
  onLive?(project: string, release: string): void
  /** Ports; 0 takes a free one. */
  ports: {
    site: number
    https: number
    control: number
    dns: number
    aws: number
    database: number
  }
  /** Where certificates come from. Absent: no HTTPS. */
  https?: HttpsSource
  /** Where the site and DNS listen. Control and database are on loopback always. */
  host: string
  /** Addresses that DNS answers with for the projects' domains. */
  addresses: string[]
  workers: number
  /** What the edge's workers run on. Default: this Node. */
  edgeRuntime?: EdgeRuntime
  trustedProxies: string[]
  /** How requests are logged. Default: json. */
  accessLog?: AccessLogFormat
  version: string
  logger: Logger
}

export interface RunningCloud {
  addresses: CloudAddresses
  api: CloudApi
  token: string
  /** The project is called otherwise now: from its next activation on it alone is served. */
  serveOnly(project: string): void
  /** Puts new processes in the place of the edge workers; no visitor loses a connection. */
  reload(): Promise<void>
  /** Ends every process that was started, within 2 s; in `up` requests under way get 10 s. */
  close(): Promise<void>
}

const LOOPBACK = '127.0.0.1'
/** What requests under way get at the end: a developer wants to go on, a visitor his answer. */
const DRAIN_MS = { dev: 1_500, up: 10_000 }

/** Opens a whole cloud. Resolves when everything at its addresses answers. */
export async function openCloud(options: CloudOptions): Promise<RunningCloud> {
  const opened: (() => Promise<unknown>)[] = []
  const close = async () => {
    // Doors first, then what stands behind them.
    for (const closeOne of opened.reverse()) await closeOne().catch(logFailure(options.logger))
    opened.length = 0
  }
  try {
    return await open(options, systemClock, opened, close)
  } catch (error) {
    await close()
    throw error
  }
}

async function open(
  options: CloudOptions,
  clock: Clock,
  opened: (() => Promise<unknown>)[],
  close: () => Promise<void>,
): Promise<RunningCloud> {
  const { ports } = options
  const data = await openDataDirectory(options.directory)
  opened.push(() => data.release())
  const known = await listProjects(data)
  const secrets = await ProjectSecrets.open({
    key: await openSecretsKey(data.secretsKey),
    ...{ directory: data.projects, projects: known, logger: options.logger },
  })
  const logger = maskLogger(options.logger, () => secrets.maskerOfAll())

  const bucket = await openObjectStore({ directory: data.bucket, clock })
  opened.push(() => bucket.close())
  const damaged = new DamagedBlobs(bucket.blobs, logger)
  const database = await openDatabase({
    directory: data.database,
    host: LOOPBACK,
    port: ports.database,
    logger,
  })
  opened.push(() => database.close())
  const databases = new Databases({
    embedded: database,
    readBlob: sha256 => damaged.read(sha256),
    secretOf: (project, sha256) => secrets.address(project, sha256),
    logger,
  })

  const versions = new FunctionVersions((project, names) => secrets.revision(project, names))
  const logs = maskLogs(await openLogStore({ directory: data.logs, clock }), project =>
    secrets.masker(projectOfSite(project)),
  )
  opened.push(() => logs.close())
  const functions = await openFunctions({
    directory: data.functions,
    readCode: sha256 => damaged.read(sha256),
    findFunction: (project, release, name) => versions.find(project, release, name),
    environmentOf: async version => {
      const preview = previews.find(version.project)
      const live = releases.live(version.project)?.release.manifest
      const url = await (preview
        ? previewDatabases.urlFor(preview)
        : live && databases.urlFor(live))
      return {
        ...(url === undefined ? {} : { DATABASE_URL: url }),
        ...secretVariables({ ...version, project: projectOfSite(version.project) }, secrets),
      }
    },
    logSink: logs,
    clock,
    logger,
    isOwnCode: options.mode === 'dev',
  })
  opened.push(() => functions.close())
  await functions.listen(data.socket('functions'))

  const dns = await openDnsServer({ host: options.host, port: ports.dns, zones: [], logger })
  opened.push(() => dns.close())

  let { only } = options
  const records = await DistributionRecords.open(data.projects, known, logger)
  const signer = await openReleaseSigner(data.signingKey)
  const sites = new Sites({
    signer,
    ...{ versions, functions, dns, addresses: options.addresses },
    isDisabled: project => records.get(project).isDisabled,
  })
  const serveOnly = (project: string) => {
    only = project
    sites.serveOnly(project)
  }
  if (only !== undefined) serveOnly(only)
  const manifests = manifestStore(bucket)
  const releases = new Releases(
    new ReleaseStore(manifests),
    data.projects,
    {
      hasBlob: (sha256, sizeBytes) => bucket.blobs.has(sha256, sizeBytes),
      flushBlobs: () => bucket.blobs.flush(),
      async check(release) {
        sites.check(release)
        checkSecrets(release, secrets, options.mode === 'dev' ? logger : 'refused')
      },
      migrate: release => databases.migrate(release),
      async announce(change) {
        const { project, id } = change.release.manifest
        const confirmedBy = await sites.announce(change)
        for (const other of project === only ? releases.projects() : []) {
          if (other !== project) releases.forget(other)
        }
        options.onLive?.(project, id)
        return confirmedBy
      },
      async withdraw(project) {
        await sites.withdraw(project)
        await previews.removeAll(project)
      },
    },
    clock,
  )
  const previewDatabases = new PreviewDatabases({
    ...{ embedded: database, databases, releases, logger },
    rest: project => functions.retire(id => versions.has(id) && !versions.isOf(project, id)),
  })
  const previews = createPreviews({
    ...{
      releases,
      directory: data.projects,
      sites,
      databases: previewDatabases,
      logs,
      clock,
      logger,
    },
  })
  const taken = only === undefined ? known : known.filter(project => project === only)
  for (const damage of await releases.restore(taken)) {
    if (options.mode === 'dev') throw damage // the one project that this cloud is for
    logger.error(`${damage.message}; the other projects are served`, { try: damage.hint })
  }
  for (const project of releases.projects()) sites.restore(releases.live(project)!)
  for (const preview of await previews.restore(taken)) sites.restorePreview(preview)
  opened.push(startPruning({ releases, previews, manifests, bucket, clock, logger }))

  const https =
    options.https &&
    (await Https.open({ source: options.https, dns: sites.dnsChallenges, clock, logger }))
  if (https !== undefined) {
    opened.push(() => https.close())
    await https.serve(sites.hosts())
  }
  const { workers, port, httpsPort } = await EdgeWorkers.open({
    count: options.workers,
    ...(options.edgeRuntime && { runtime: options.edgeRuntime }),
    settings: {
      blobDirectory: join(data.bucket, 'blobs'),
      functionsSocket: data.socket('functions'),
      ...(options.mode === 'up' && { hooksSocket: data.socket('hooks') }),
      cacheDirectory: data.cache,
      host: options.host,
      port: ports.site,
      trustedProxies: options.trustedProxies,
      ...(options.mode === 'dev' && { isLocal: true }),
      accessLog: { directory: data.access, format: options.accessLog ?? 'json' },
      // In development both are served, so that either can be tried.
      ...(https && { https: { port: ports.https, isRedirecting: options.mode === 'up' } }),
    },
    sites: sites.messages(),
    drainMs: DRAIN_MS[options.mode],
    ...(https && { certificates: https.message() }),
    onDamagedBlob: sha256 => damaged.report(sha256),
    logger,
  })
  opened.push(() => workers.close())
  https?.start(message => workers.setCertificates(message))
  sites.serveWith(workers, https)
  opened.push(tendPreviews(previews, previewDatabases, known, logger))

  const aws = await openAwsDoors({
    ...{ host: LOOPBACK, port: ports.aws, key: await readAccessKey(data.root), clock, logger },
    distributions: { releases, records, sites, workers, isForOne: options.mode === 'dev' },
  })
  opened.push(() => aws.close())
  const notifier = new Notifier({ secrets, clock, logger, isSilent: options.mode === 'dev' })
  opened.push(() => notifier.close())
  const backend = new CloudBackend({
    version: options.version,
    mode: options.mode,
    token: data.token,
    bucket,
    databases,
    ...{ embedded: database, readBlob: sha256 => damaged.read(sha256), clock },
    functions,
    logs,
    releases,
    secrets,
    secretsDesk: new SecretsDesk({ secrets, releases, versions, functions, clock }),
    notifier,
    signer,
    previews,
    versions,
    workers,
    awsKey: aws.key,
  })
  const deployTokens = new DeployTokens()
  // In development the cloud follows the project's folder.
  const buildUserOf = options.mode === 'dev' ? undefined : openBuildUsers(data.builds, logger)
  const pipeline =
    options.mode === 'dev'
      ? undefined
      : await openPipeline({
          ...(buildUserOf && { userOf: buildUserOf }),
          ...{ repositories: data.repositories, workspaces: data.workspaces, clock, logger },
          ...{ hooks: data.hooks, hookSocket: data.socket('hooks') },
          deployer: createDeployer({
            tokens: deployTokens,
            userOf: project => buildUserOf?.(project),
            address: () => backend.addresses.control,
            masker: project => secrets.masker(project),
            onFailure: (...what) => backend.notifications.pushFailed(...what),
            addressOf: (...place) => backend.addressOf(...place),
            removePreview: (...preview) => backend.previews.remove(...preview),
          }),
          isToken: given => isSameSecret(given, data.token),
        })
  const control = await openControlServer({
    host: LOOPBACK,
    port: ports.control,
    token: data.token,
    ...{ backend, deployTokens, logger },
    ...(pipeline && { handleGit: pipeline.handleGit }),
  })
  opened.push(() => control.close())
  if (pipeline !== undefined) opened.push(() => pipeline.close())
  backend.addresses = {
    site: `http://${shownHost(options.host)}:${port}`,
    ...(httpsPort !== undefined && { https: `https://${shownHost(options.host)}:${httpsPort}` }),
    control: `http://${LOOPBACK}:${control.port}`,
    dns: `${shownHost(options.host)}:${dns.port}`,
    aws: `http://${LOOPBACK}:${aws.port}`,
  }
  backend.pipeline = pipeline
  await pipeline?.resume()
  const status = await backend.status()
  const projects = only === undefined ? status.projects : [only]
  await data.announce({ ...status, projects, token: data.token })
  const reload = () => workers.replace()
  return { addresses: backend.addresses, api: backend, token: data.token, serveOnly, reload, close }
}

function shownHost(host: string): string {
  return host === '0.0.0.0' || host === '::' ? LOOPBACK : host
}

function logFailure(logger: Logger): (error: unknown) => void {
  return error => logger.error('closing failed', { error: String(error) })
}
