import { isDeepStrictEqual } from 'node:util'
import type { Project } from '../../../../../config/project.ts'
import type { BlobUpload } from '../../../../../control/cloud-api.ts'
import type {
  ReleaseDraft,
  ReleaseFunction,
  ReleaseManifest,
} from '../../../../../releases/manifest.ts'
import { MokaError } from '../../../../../shared/errors.ts'
import { DatabaseFunction } from '../../operations/database/database-function.ts'
import { migrateUrl } from '../../operations/database/migrate-url.ts'
import {
  type DatabaseAccess,
  databaseAccess,
  functionEnvironment,
} from '../../operations/functions/function-environment.ts'
import { SecretParameters } from '../../operations/secrets/secret-parameters.ts'
import type { SiteOutputs } from '../../stack/names.ts'
import type { Bucket } from '../objects/bucket.ts'
import { readBlob } from '../objects/read-blob.ts'
import {
  FunctionReleases,
  type FunctionVersions,
  type PreviewSurroundings,
} from './function-releases.ts'
import { openPreviewBackends, type PreviewBackends } from './preview-backend.ts'

/** What a release's functions and database need of AWS; the steps of a deploy call them in this order. */
export interface BackendReleases {
  /** Whether the archive of a function has to be sent. */
  lacksCode(sha256: string): Promise<boolean>
  /** Keeps what came with a deploy: code and SQL. */
  keep(draft: ReleaseDraft, blobs: ReadonlyMap<string, BlobUpload>): Promise<void>
  /** Applies migrations that the database lacks; the names of what it applied. */
  migrate(draft: ReleaseDraft, live: ReleaseManifest | undefined): Promise<string[]>
  /**
   * Publishes what differs from what visitors are answered by, and from the versions that the release
   * had `before`. `secrets` are those of the draft.
   */
  publish(
    release: ReleaseManifest,
    secrets: Readonly<Record<string, string>>,
    before?: FunctionVersions,
  ): Promise<FunctionVersions>
  /** Moves the alias of every function, all or none; what moves them back. */
  activate(versions: FunctionVersions): Promise<() => Promise<void>>
  /** Which version of each function visitors are answered by. */
  current(names: readonly string[]): Promise<FunctionVersions>
  /** Removes versions that none of the kept releases has. */
  forget(kept: readonly FunctionVersions[], names: readonly string[]): Promise<void>
  readonly previews: PreviewBackends
  close(): void
}

export interface AwsBackendParts {
  project: Project
  bucket: Bucket
  outputs: SiteOutputs
}

/** Beside the code of functions, where nobody can ask for it. */
const sqlKey = (sha256: string) => `code/${sha256}.sql`

/** Lambda, and the database's function inside the network. */
export async function openAwsBackend(parts: AwsBackendParts): Promise<BackendReleases> {
  const { project, bucket, outputs } = parts
  const access = databaseAccess(project.name, project.aws, outputs, urlOf(project))
  const environmentOf = async (
    name: string,
    settings: ReleaseFunction,
    _secrets: Readonly<Record<string, string>> = {},
    preview?: PreviewSurroundings,
  ) => {
    const names = settings.secrets ?? []
    const values = names.length === 0 ? {} : await (await secrets()).values(names)
    const database = preview === undefined ? access : accessOf(access, preview)
    return functionEnvironment(name, settings, new Map(Object.entries(values)), database)
  }
  let opened: Promise<FunctionReleases> | undefined
  // Many a site has none, and loads nothing for them then.
  const functions = () => {
    opened ??= FunctionReleases.open({
      ...{ project: project.name, settings: project.aws, bucket },
      environmentOf,
    })
    return opened
  }
  const secrets = () => SecretParameters.open(project.name, project.aws.region)
  const isEmpty = (named: object) => Object.keys(named).length === 0
  return {
    lacksCode: async sha256 => (await functions()).lacks(sha256),
    async keep(draft, blobs) {
      if (!isEmpty(draft.functions)) await (await functions()).keep(draft, blobs)
      for (const { sha256 } of draft.migrations) {
        const blob = blobs.get(sha256)
        if (blob === undefined) continue
        const headers = { contentType: 'application/sql', cacheControl: 'no-store' }
        await bucket.put(sqlKey(sha256), await readBlob(blob), sha256, headers)
      }
    },
    async migrate(draft, live) {
      // What Lambda would refuse is refused before anything of the database changes.
      for (const [name, settings] of Object.entries(draft.functions)) {
        await environmentOf(name, settings)
      }
      if (access.kind === 'none' || draft.migrations.length === 0) return []
      if (live !== undefined && hasSameSchema(live, draft)) return []
      const migrations = await readMigrations(draft)
      if (access.kind === 'url') return migrateUrl(access.url, migrations)
      return (await database()).migrate(migrations)
    },
    publish: async (release, secrets, before) =>
      isEmpty(release.functions) ? {} : (await functions()).publish(release, secrets, before),
    activate: async versions =>
      isEmpty(versions) ? async () => {} : (await functions()).activate(versions),
    current: async names => (await functions()).current(names),
    async forget(kept, names) {
      if (names.length > 0) await (await functions()).forget(kept, names)
    },
    previews: openPreviewBackends({ project, access, functions, readMigrations, database }),
    close() {
      void opened?.then(each => each.close())
    },
  }

  function readMigrations(draft: ReleaseDraft) {
    return Promise.all(
      draft.migrations.map(async ({ name, sha256 }) => ({
        ...{ name, sha256 },
        sql: await readSql(bucket, name, sha256),
      })),
    )
  }

  /** The function inside the network, in this version of moka. */
  async function database(): Promise<DatabaseFunction> {
    if (access.kind === 'none' || access.kind === 'url') throw new Error('it has no such function')
    const lambda = await functions()
    const found = new DatabaseFunction(lambda.client, project.name)
    const roles = await lambda.roles(project.functions.map(({ name }) => name))
    await found.prepare(access, project.aws.region, roles)
    return found
  }
}

/** A preview's functions come into no database but its own, which is on RDS. */
function accessOf(access: DatabaseAccess, { database }: PreviewSurroundings): DatabaseAccess {
  return access.kind === 'rds' && database !== undefined
    ? { ...access, database }
    : { kind: 'none' }
}

function urlOf({ database }: Project): string | undefined {
  return database.kind === 'external' ? database.url : undefined
}

function hasSameSchema(live: ReleaseManifest, draft: ReleaseDraft): boolean {
  return (
    isDeepStrictEqual(live.database, draft.database) &&
    isDeepStrictEqual(live.migrations, draft.migrations)
  )
}

async function readSql(bucket: Bucket, name: string, sha256: string): Promise<string> {
  const bytes = await bucket.readBytes(sqlKey(sha256))
  if (bytes !== undefined) return Buffer.from(bytes).toString('utf8')
  throw new MokaError(
    'AWS_MIGRATION_MISSING',
    `cannot apply migration "${name}": its SQL is not in the bucket (${sqlKey(sha256)})`,
    { hint: 'deploy again from a folder that has it' },
  )
}
