import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Project } from '../../../../../config/project.ts'
import type { ReleaseDraft, ReleaseManifest } from '../../../../../releases/manifest.ts'
import { MokaError } from '../../../../../shared/errors.ts'
import { pack } from '../../operations/archive/aws-archive.ts'
import { bundleForLambda } from '../../operations/archive/bundle.ts'
import type { DatabaseFunction } from '../../operations/database/database-function.ts'
import type { DatabaseAccess } from '../../operations/functions/function-environment.ts'
import { updateOwnFunction } from '../../operations/functions/own-function.ts'
import { lambdaName, PREVIEW_PREFIX, previewDoorName } from '../../stack/names.ts'
import type { PreviewBackend as ShownBackend } from '../../viewer/live.ts'
import type { FunctionReleases, FunctionVersions } from './function-releases.ts'

/** What functions and databases of previews are called; both are made anew, never changed. */
export interface PreviewNames {
  aliases: string[]
  databases: string[]
}

/** What previews need of AWS besides files. Nobody is led to what these make before the key says so. */
export interface PreviewBackends {
  /**
   * The preview's database with all migrations: the one from before where the draft's migrations go
   * on from those that it has, else a new one.
   */
  openDatabase(
    name: string,
    draft: ReleaseDraft,
    before: { database: string | undefined; manifest: ReleaseManifest } | undefined,
  ): Promise<{ database?: string; migrated: string[] }>
  publish(
    release: ReleaseManifest,
    secrets: Readonly<Record<string, string>>,
    database: string | undefined,
  ): Promise<FunctionVersions>
  /** Makes them callable by an alias that nobody knows; undefined where there are none. */
  show(
    name: string,
    release: ReleaseManifest,
    versions: FunctionVersions,
  ): Promise<ShownBackend | undefined>
  /** All that there is of previews. `functions` are names of the project. */
  find(functions: readonly string[]): Promise<PreviewNames>
  drop(functions: readonly string[], gone: PreviewNames): Promise<void>
}

export interface PreviewBackendParts {
  project: Project
  access: DatabaseAccess
  functions(): Promise<FunctionReleases>
  /** The migrations of a draft with their SQL. */
  readMigrations(draft: ReleaseDraft): Promise<Parameters<DatabaseFunction['migrate']>[0]>
  /** The live database's function, ready. */
  database(): Promise<DatabaseFunction>
}

/** `new-menu` of an alias or a database of the preview. */
export function previewOf(made: string): string {
  return made.slice(PREVIEW_PREFIX.length, made.lastIndexOf('-'))
}

/** 64 bits are as good as a password to whoever finds the HTTP API. */
const madeName = (preview: string) =>
  `${PREVIEW_PREFIX}${preview}-${randomBytes(8).toString('hex')}`

export function openPreviewBackends(parts: PreviewBackendParts): PreviewBackends {
  const { project, access, functions } = parts
  const hasDatabases = access.kind === 'rds'
  return {
    async openDatabase(name, draft, before) {
      if (!hasDatabases || draft.database.kind === 'none') return { migrated: [] }
      const kept = before !== undefined && goesOn(before.manifest, draft) && before.database
      const database = kept || madeName(name)
      const asked = await parts.database()
      await asked.makePreview(database)
      const migrations = await parts.readMigrations(draft)
      return { database, migrated: await asked.migrate(migrations, database) }
    },
    async publish(release, secrets, database) {
      if (Object.keys(release.functions).length === 0) return {}
      const surroundings = database === undefined ? {} : { database }
      return (await functions()).publish(release, secrets, {}, surroundings)
    },
    async show(name, release, versions) {
      const shown = Object.entries(release.functions).filter(([, { routes }]) => routes.length > 0)
      if (shown.length === 0) return undefined
      const lambda = await functions()
      await updateOwnFunction(lambda.client, previewDoorName(project.name), {
        archive: pack({ 'index.mjs': await bundleForLambda('preview-door') }),
        missing: () => doorMissing(project.name),
      })
      const alias = madeName(name)
      await lambda.show(alias, versions)
      return {
        alias,
        functions: shown.map(([own, { routes }]) => ({
          ...{ lambda: lambdaName(project.name, own), routes },
          hasUrl: project.aws.functionUrls.includes(own),
        })),
      }
    },
    async find(names) {
      const aliases = names.length === 0 ? [] : await (await functions()).previewAliases(names)
      const databases = hasDatabases ? await (await parts.database()).previews() : []
      return { aliases, databases }
    },
    async drop(names, { aliases, databases }) {
      if (aliases.length > 0) await (await functions()).hide(names, aliases)
      if (databases.length > 0) await (await parts.database()).dropPreviews(databases)
    },
  }
}

function goesOn({ migrations: had }: ReleaseManifest, { migrations }: ReleaseDraft): boolean {
  return isDeepStrictEqual(migrations.slice(0, had.length), had)
}

function doorMissing(project: string): MokaError {
  return new MokaError(
    'AWS_PREVIEW_DOOR_MISSING',
    `cannot show functions of a preview of project "${project}": there is no function "${previewDoorName(project)}"`,
    { hint: '`moka deploy --to aws` makes it, and then the preview again' },
  )
}
