import type { FunctionLogEntry } from '../functions/version.ts'
import type { HookChange, HookDescription } from '../pipeline/pipeline.ts'
import type { ReleaseDraft, ReleaseManifest } from '../releases/manifest.ts'
import type { ReleaseSummary } from '../releases/release-store.ts'
import type { ActivationStep } from '../releases/releases.ts'
import type { DatabaseApi } from './database/database-api.ts'
import type { NotificationsApi } from './notifications/notifications-api.ts'
import type { ListedPreview, PreviewRequest, PreviewsApi } from './previews/previews-api.ts'
import type { SecretsApi } from './secrets-api.ts'

/** What a running cloud offers to commands: in the same process, or through the control client. */
export interface CloudApi {
  status(): Promise<CloudStatus>
  /** The live release, or undefined when the project has none here. */
  live(project: string): Promise<LiveRelease | undefined>
  /** Newest first. */
  releases(project: string): Promise<ListedRelease[]>
  /** Hashes of those of the blobs, and of all of a release where one is named, that are not stored here. */
  missingBlobs(blobs: readonly BlobName[], of?: ReleaseName): Promise<string[]>
  /** Stores blobs; each is verified against its hash. */
  putBlobs(
    blobs: Iterable<BlobUpload>,
    onProgress?: (progress: UploadProgress) => void,
  ): Promise<void>
  publish(request: PublishRequest, onStep?: (step: ActivationStep) => void): Promise<Activated>
  /** Without a release: to the one before the live one. */
  rollback(
    project: string,
    release?: string,
    onStep?: (step: ActivationStep) => void,
  ): Promise<Activated>
  /** Drops stored responses by path or prefix, and by `Cache-Tag`, on every edge worker. */
  invalidate(
    project: string,
    patterns: readonly string[],
    tags?: readonly string[],
  ): Promise<Invalidated>
  invoke(project: string, name: string, payload: unknown): Promise<Invoked>
  /** The last `count` entries, oldest first; of one function or of all. */
  logs(project: string, name: string | undefined, count: number): Promise<FunctionLogEntry[]>
  /**
   * Calls back for the last `count` entries and then for each new one, until the returned function
   * is called. Between the two none is lost and none comes twice.
   */
  followLogs(
    project: string,
    name: string | undefined,
    count: number,
    onEntry: (entry: FunctionLogEntry) => void,
    onEnd: (error?: Error) => void,
  ): () => void
  /** Variables that point a shell's tools at this cloud. */
  environment(project: string): Promise<Record<string, string>>
  /** Changes how a project follows a repository elsewhere, and answers what holds then. */
  hooks(project: string, change: HookChange): Promise<Hooks>
  readonly secrets: SecretsApi
  readonly notifications: NotificationsApi
  readonly previews: PreviewsApi
  readonly database: DatabaseApi
}

export interface Hooks extends HookDescription {
  /** Where a forge sends its deliveries. */
  address: string
}

/** Where a running cloud answers; what it does not have is left out. */
export interface CloudAddresses {
  site: string
  /** With certificates of a local authority in `dev`, of a public one in `up`. */
  https?: string
  control: string
  dns?: string
  /** Where AWS clients find what this cloud has of AWS's APIs. */
  aws?: string
  database?: string
}

export interface CloudStatus {
  version: string
  mode: 'dev' | 'up'
  pid: number
  addresses: CloudAddresses
  projects: string[]
  /** What this cloud signs releases with: Ed25519, SPKI in DER, base64. */
  signingKey: string
}

export interface LiveRelease {
  id: string
  manifestSha256: string
  manifest: ReleaseManifest
}

export interface ListedRelease extends ReleaseSummary {
  isLive: boolean
}

export interface BlobName {
  sha256: string
  /** Where it is given, a blob of another size counts as not stored. */
  sizeBytes?: number
}

/** A release that the cloud has. */
export interface ReleaseName {
  project: string
  id: string
}

export interface BlobUpload {
  sha256: string
  sizeBytes: number
  /** Opens the bytes, from their beginning, when their turn comes. */
  open(): Uint8Array | AsyncIterable<Uint8Array>
}

/** How much of an upload has been sent; after a broken connection some of it may be sent again. */
export interface UploadProgress {
  /** Those that are stored. */
  blobs: number
  totalBlobs: number
  sizeBytes: number
  totalBytes: number
}

export interface PublishRequest {
  draft: ReleaseDraft
  /** The release the plan was made against; null when there was none. */
  base: string | null
  /** Leave migrations to the database's first use. Default: apply them before going live. */
  deferMigrations?: boolean
  /** Values the draft names by their SHA-256 only, such as an external database's address. */
  secrets?: Record<string, string>
  /** The plan in a few lines, for who is told of the deploy. */
  summary?: string
  /** Show it as a preview, in place of going live; `base` is what that shows then. */
  preview?: PreviewRequest
}

export interface Activated {
  id: string
  manifestSha256: string
  /** Names of the migrations that were applied. */
  migrated: string[]
  /** Edge workers that confirmed the manifest's hash. */
  confirmedBy: string[]
  /** The preview that shows it. */
  preview?: ListedPreview
}

export interface Invalidated {
  confirmedBy: string[]
  /** Stored responses that memory held and were dropped, over all workers; the disk's are not counted. */
  dropped: number
}

/** How an invocation ended; `payload` is the function's result, or Lambda's error shape. */
export interface Invoked {
  kind: 'success' | 'error'
  payload: unknown
  requestId: string
}
