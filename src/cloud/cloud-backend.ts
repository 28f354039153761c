import pLimit from 'p-limit'
import type { AwsKey } from '../aws/dispatch.ts'
import type { ObjectStore } from '../bucket/bucket.ts'
import type {
  Activated,
  BlobName,
  BlobUpload,
  CloudAddresses,
  CloudStatus,
  Hooks,
  Invalidated,
  Invoked,
  ListedRelease,
  LiveRelease,
  PublishRequest,
  ReleaseName,
} from '../control/cloud-api.ts'
import type { ControlBackend } from '../control/server.ts'
import type { Database } from '../database/database.ts'
import type { Functions } from '../functions/functions.ts'
import type { LogStore } from '../functions/logs/log-store.ts'
import type { FunctionLogEntry } from '../functions/version.ts'
import type { HookChange, Pipeline } from '../pipeline/pipeline.ts'
import { parseDraft } from '../releases/manifest.ts'
import { siteNamed } from '../releases/previews/preview-name.ts'
import type { Previews } from '../releases/previews/previews.ts'
import type { ReleaseSigner } from '../releases/provenance.ts'
import type { ActivationResult, ActivationStep, Releases } from '../releases/releases.ts'
import type { Clock } from '../shared/clock.ts'
import { MokaError } from '../shared/errors.ts'
import { joinBlob } from './data/join-blob.ts'
import { findLost, LostBlobs } from './data/lost-blobs.ts'
import { DatabaseDesk } from './database/database-desk.ts'
import type { Databases } from './databases.ts'
import type { FunctionVersions } from './function-versions.ts'
import { formatMetrics } from './metrics/exposition.ts'
import { Notifications } from './notifications/notifications.ts'
import type { Notifier } from './notifications/notifier.ts'
import { PreviewDesk } from './previews/preview-desk.ts'
import { maskIn } from './secrets/masking.ts'
import type { ProjectSecrets } from './secrets/project-secrets.ts'
import type { SecretsDesk } from './secrets/secrets-desk.ts'
import type { EdgeWorkers } from './workers/edge-workers.ts'

/** Enough that the disk's flushes overlap. */
const PARALLEL_BLOBS = 32

export interface BackendParts {
  version: string
  mode: 'dev' | 'up'
  token: string
  bucket: ObjectStore
  databases: Databases
  /** The PostgreSQL of this cloud. */
  embedded: Database
  readBlob(sha256: string): Promise<Uint8Array>
  clock: Clock
  functions: Functions
  logs: LogStore
  releases: Releases
  versions: FunctionVersions
  workers: EdgeWorkers
  secrets: ProjectSecrets
  secretsDesk: SecretsDesk
  notifier: Notifier
  previews: Previews
  signer: Pick<ReleaseSigner, 'publicKey'>
  /** What AWS clients sign with. */
  awsKey: AwsKey
}

/** What commands can ask of this cloud, done by its parts. */
export class CloudBackend implements ControlBackend {
  readonly #parts: BackendParts
  readonly #lost: LostBlobs
  readonly secrets: SecretsDesk
  readonly notifications: Notifications
  readonly previews: PreviewDesk
  readonly database: DatabaseDesk
  /** Set once everything listens. */
  addresses: CloudAddresses = { site: '', control: '' }
  /** Set where this cloud takes pushes. */
  pipeline: Pick<Pipeline, 'changeHooks'> | undefined

  constructor(parts: BackendParts) {
    this.#parts = parts
    this.#lost = new LostBlobs(parts.bucket.blobs)
    this.secrets = parts.secretsDesk
    this.notifications = new Notifications({
      ...parts,
      urlOf: async project => (await this.addressOf(project)) ?? this.addresses.site,
    })
    this.previews = new PreviewDesk({
      ...{ previews: parts.previews, mode: parts.mode, addresses: () => this.addresses },
      live: project => this.#live(project)?.manifest,
    })
    this.database = new DatabaseDesk({
      ...parts,
      live: project => {
        this.#requireProject(project)
        return this.#live(project)!.manifest
      },
    })
  }

  async status(): Promise<CloudStatus> {
    const { version, mode, releases, signer } = this.#parts
    return {
      ...{ version, mode, pid: process.pid, addresses: this.addresses },
      projects: releases.projects(),
      signingKey: signer.publicKey,
    }
  }

  /** Where visitors find a project, or the preview of a branch; undefined where there is none. */
  addressOf(project: string, previewOf?: string): string | undefined {
    if (previewOf !== undefined) return this.previews.addressOf(project, previewOf)
    const { site, https } = this.addresses
    const live = this.#live(project)
    const { domain } = live?.manifest ?? {}
    if (live === undefined || domain === undefined) return live && (https ?? site)
    return `${https === undefined ? 'http' : 'https'}://${domain}`
  }

  async hooks(project: string, change: HookChange): Promise<Hooks> {
    if (this.pipeline === undefined) {
      throw new MokaError(
        'CLOUD_NO_HOOKS',
        'cannot take webhooks here: `moka dev` follows the folder that it was started in',
        { hint: 'use a cloud that `moka up` runs, named with --cloud' },
      )
    }
    const hooks = await this.pipeline.changeHooks(project, change)
    const { site, https } = this.addresses
    return { ...hooks, address: `${this.addressOf(project) ?? https ?? site}${hooks.path}` }
  }

  async metrics(): Promise<string> {
    const { version, workers } = this.#parts
    const report = await workers.report()
    return formatMetrics(report.workers, { version, invalidations: report.invalidations })
  }

  /**
   * Waits for a deploy that is under way, so that whoever finds nothing to deploy against what is
   * live may say that every edge has it.
   */
  async live(project: string): Promise<LiveRelease | undefined> {
    await this.#parts.releases.settled(project)
    const live = this.#live(project)
    if (live !== undefined) this.#lost.lookAhead(live.manifest, performance.now())
    return live
  }

  #live(project: string): LiveRelease | undefined {
    const live = this.#parts.releases.live(project)
    return live === undefined ? undefined : { id: live.pointer.id, ...live.release }
  }

  async releases(project: string): Promise<ListedRelease[]> {
    const live = this.#requireProject(project)
    return this.#parts.releases
      .list(project)
      .map(release => ({ ...release, isLive: release.id === live.id }))
  }

  async missingBlobs(names: readonly BlobName[], of?: ReleaseName): Promise<string[]> {
    const missing = await findLost(this.#parts.bucket.blobs, names)
    if (of === undefined) return missing
    const live = this.#live(of.project)
    const { manifest } =
      live?.id === of.id ? live : await this.#parts.releases.get(of.project, of.id)
    return [...missing, ...(await this.#lost.of(manifest, performance.now()))]
  }

  async putBlob(sha256: string, content: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
    await this.#parts.bucket.blobs.put(content, sha256)
  }

  joinBlob(sha256: string, parts: readonly string[]): Promise<void> {
    return joinBlob(this.#parts.bucket.blobs, sha256, parts)
  }

  async putBlobs(blobs: Iterable<BlobUpload>): Promise<void> {
    const limit = pLimit(PARALLEL_BLOBS)
    await Promise.all(
      Array.from(blobs, blob => limit(() => this.putBlob(blob.sha256, blob.open()))),
    )
  }

  async publish(
    request: PublishRequest,
    onStep?: (step: ActivationStep) => void,
  ): Promise<Activated> {
    const draft = parseDraft(request.draft)
    await this.#parts.secrets.addAddresses(draft.project, request.secrets ?? {})
    const { preview, base } = request
    if (preview !== undefined) return this.previews.publish(draft, preview, base, onStep)
    const publish = () =>
      this.#parts.releases.publish(draft, {
        base,
        deferMigrations: request.deferMigrations === true,
        ...(onStep === undefined ? {} : { onStep }),
      })
    return describe(await this.notifications.ofDeploy(draft, request.summary, publish))
  }

  async rollback(
    project: string,
    release?: string,
    onStep?: (step: ActivationStep) => void,
  ): Promise<Activated> {
    this.#requireProject(project)
    const { releases } = this.#parts
    const rollback = () => releases.rollback(project, release, onStep)
    return describe(await this.notifications.ofRollback(project, rollback))
  }

  async invalidate(
    project: string,
    patterns: readonly string[],
    tags: readonly string[] = [],
  ): Promise<Invalidated> {
    this.#requireProject(project)
    for (const pattern of patterns) {
      if (/^\/[^*]*\*?$/.test(pattern)) continue
      throw new MokaError(
        'CLOUD_BAD_PATTERN',
        `cannot invalidate "${pattern}": it is neither a path nor a prefix`,
        { hint: 'a path such as /about/, a prefix such as /api/*, or /* for everything' },
      )
    }
    for (const tag of tags) {
      if (/^[^\s,]+$/.test(tag)) continue
      throw new MokaError(
        'CLOUD_BAD_TAG',
        `cannot invalidate tag "${tag}": a tag has no blank and no comma, and is not empty`,
        { hint: 'name it as it stands in Cache-Tag; several as --tag one two' },
      )
    }
    return this.#parts.workers.invalidate(project, [...patterns], [...tags])
  }

  async invoke(project: string, name: string, payload: unknown): Promise<Invoked> {
    const { id } = this.#requireProject(project)
    const version = this.#parts.versions.find(project, id, name)
    if (version === undefined) throw this.#unknownFunction('invoke', project, name)
    const outcome = await this.#parts.functions.invoke(version, payload)
    const { requestId } = outcome
    if (outcome.kind === 'success') return { kind: 'success', payload: outcome.payload, requestId }
    if (outcome.kind !== 'throttled') {
      const payload = maskIn(outcome.error, this.#parts.secrets.masker(project))
      return { kind: 'error', payload, requestId }
    }
    throw new MokaError(
      'FUNCTIONS_THROTTLED',
      `cannot invoke function "${name}": ${outcome.limit} invocations at once are allowed, and as many run`,
      { hint: `again in ${outcome.retryAfterSeconds} s, or raise reservedConcurrency` },
    )
  }

  async logs(given: string, name: string | undefined, count: number): Promise<FunctionLogEntry[]> {
    const project = siteNamed(given)
    const { id } = given.includes('@')
      ? this.#parts.previews.require(project).pointer
      : this.#requireProject(project)
    const { logs, versions } = this.#parts
    const isKnown =
      name === undefined ||
      versions.find(project, id, name) !== undefined ||
      (await logs.tail(project, name, 1)).length > 0 // of an earlier release
    if (isKnown) return logs.tail(project, name, count)
    throw this.#unknownFunction('read the log of', project, name)
  }

  followLogs(
    project: string,
    name: string | undefined,
    count: number,
    onEntry: (entry: FunctionLogEntry) => void,
    onEnd: (error?: Error) => void,
  ): () => void {
    // What comes while the last entries are read waits; some of it may be among them already.
    let waiting: FunctionLogEntry[] | undefined = []
    const stop = this.#parts.logs.follow(siteNamed(project), name, entry => {
      if (waiting === undefined) onEntry(entry)
      else waiting.push(entry)
    })
    this.logs(project, name, count).then(last => {
      for (const entry of withoutRepeats(last, waiting ?? [])) onEntry(entry)
      waiting = undefined
    }, onEnd)
    return stop
  }

  async environment(project: string): Promise<Record<string, string>> {
    this.#requireProject(project)
    const live = this.#live(project)
    const { aws } = this.addresses
    const { accessKeyId, secretAccessKey } = this.#parts.awsKey
    const url =
      live === undefined ? undefined : await this.#parts.databases.publicUrl(live.manifest)
    return {
      MOKA_CLOUD: this.addresses.control,
      MOKA_TOKEN: this.#parts.token,
      ...(url === undefined ? {} : { DATABASE_URL: url }),
      ...(aws === undefined ? {} : { AWS_ENDPOINT_URL: aws }),
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      // Any would do; clients want one, the newer ones by this name and boto3 by that.
      AWS_REGION: 'us-east-1',
      AWS_DEFAULT_REGION: 'us-east-1',
    }
  }

  #unknownFunction(doing: string, project: string, name: string): MokaError {
    const names = Object.keys(this.#live(project)?.manifest.functions ?? {})
    return new MokaError(
      'FUNCTIONS_UNKNOWN',
      `cannot ${doing} function "${name}" of project "${project}": the live release has no such function`,
      names.length === 0 ? {} : { hint: `one of ${names.join(', ')}` },
    )
  }

  #requireProject(project: string): { id: string } {
    const { releases } = this.#parts
    const live = releases.live(project)
    if (live !== undefined) return live.pointer
    const damage = releases.damage(project)
    if (damage !== undefined) throw damage
    const known = releases.projects()
    throw new MokaError(
      'CLOUD_PROJECT_UNKNOWN',
      `cannot find project "${project}": this cloud has no such project`,
      {
        hint:
          known.length === 0
            ? '`moka deploy` in the project deploys it here'
            : `it has ${known.join(', ')}; \`moka deploy\` in the project deploys it here`,
      },
    )
  }
}

/** The last entries, then those that came since; what is in both comes once. */
function withoutRepeats(
  last: readonly FunctionLogEntry[],
  since: readonly FunctionLogEntry[],
): FunctionLogEntry[] {
  const repeats = new Map<string, number>()
  for (const entry of last) {
    const key = JSON.stringify(entry)
    repeats.set(key, (repeats.get(key) ?? 0) + 1)
  }
  const fresh = since.filter(entry => {
    const key = JSON.stringify(entry)
    const count = repeats.get(key) ?? 0
    if (count > 0) repeats.set(key, count - 1)
    return count === 0
  })
  return [...last, ...fresh]
}

function describe({ release, migrated, confirmedBy }: ActivationResult): Activated {
  return {
    id: release.manifest.id,
    manifestSha256: release.manifestSha256,
    migrated,
    confirmedBy,
  }
}
