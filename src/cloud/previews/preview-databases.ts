import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Database } from '../../database/database.ts'
import type { ReleaseDraft } from '../../releases/manifest.ts'
import type { PreviewDatabase } from '../../releases/previews/preview-pointer.ts'
import type { Preview } from '../../releases/previews/previews.ts'
import type { Releases } from '../../releases/releases.ts'
import { formatError, MokaError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Databases } from '../databases.ts'

/** No project's name begins with a digit. */
const PREFIX = '0-'

export interface PreviewDatabaseParts {
  embedded: Pick<Database, 'copy' | 'drop' | 'projects'>
  databases: Pick<Databases, 'migrate' | 'urlFor'>
  releases: Pick<Releases, 'live'>
  /**
   * Ends the project's functions that wait for requests, and those at work when they are done, and
   * their connections with them. The next request starts new ones, which wait for the copy.
   */
  rest(project: string): void
  logger: Logger
}

/**
 * The databases of previews, in the PostgreSQL of this cloud. None is ever the live one: what a
 * preview writes stays in the preview.
 */
export class PreviewDatabases {
  readonly #parts: PreviewDatabaseParts

  constructor(parts: PreviewDatabaseParts) {
    this.#parts = parts
  }

  /**
   * The one from before where the draft's migrations go on from those it has; else a new one, with
   * all of them: for who has rewritten a migration, too.
   */
  async open(
    draft: ReleaseDraft,
    before: Preview | undefined,
    { name, kind }: { name: string; kind: PreviewDatabase['kind'] | undefined },
  ): Promise<{ database: PreviewDatabase; migrated: string[] }> {
    const kept = before?.pointer.database
    if (kept !== undefined && (kind ?? kept.kind) === kept.kind && goesOn(before!, draft)) {
      return { database: kept, migrated: await this.#migrate(kept, draft) }
    }
    const database = { name: newName(draft.project, name), kind: kind ?? kept?.kind ?? 'empty' }
    try {
      if (database.kind === 'copy') await this.#copy(draft, name, database)
      return { database, migrated: await this.#migrate(database, draft) }
    } catch (error) {
      await this.drop(database).catch(dropError => this.#report(database.name, dropError))
      throw error
    }
  }

  async drop({ name }: PreviewDatabase): Promise<void> {
    if (this.#parts.embedded.projects().includes(name)) await this.#parts.embedded.drop(name)
  }

  /** The address for a preview's functions; undefined where it has no database. */
  async urlFor({ pointer, release }: Preview): Promise<string | undefined> {
    const { database } = pointer
    return database && this.#parts.databases.urlFor(schemaOf(database, release.manifest))
  }

  /** Drops what a cloud that was killed has left of previews that are not there. */
  async sweep(used: ReadonlySet<string>): Promise<void> {
    for (const name of this.#parts.embedded.projects()) {
      if (!name.startsWith(PREFIX) || used.has(name)) continue
      await this.#parts.embedded.drop(name).catch(error => this.#report(name, error))
    }
  }

  async #migrate(database: PreviewDatabase, draft: ReleaseDraft): Promise<string[]> {
    return this.#parts.databases.migrate(schemaOf(database, draft))
  }

  async #copy({ project }: ReleaseDraft, preview: string, { name }: PreviewDatabase) {
    const live = this.#parts.releases.live(project)?.release.manifest
    if (live?.database.kind !== 'embedded') {
      throw new MokaError(
        'CLOUD_PREVIEW_COPY',
        `cannot copy the database of project "${project}" for preview "${preview}": ${reasonOf(live)}`,
        { hint: 'leave --database out: the preview gets an empty one, with all migrations' },
      )
    }
    await this.#parts.databases.urlFor(live) // with what was left to its first use
    await this.#parts.embedded.copy(project, name, () => this.#parts.rest(project))
  }

  #report(database: string, error: unknown): void {
    const reason = formatError(error)
    this.#parts.logger.warn('the database of a preview was not removed', { database, reason })
  }
}

function reasonOf(live: { database: { kind: string } } | undefined): string {
  if (live === undefined) return 'nothing of it is live here'
  return live.database.kind === 'none'
    ? 'the live release has none'
    : 'it is on another server than this cloud’s'
}

function schemaOf({ name }: PreviewDatabase, { migrations }: Pick<ReleaseDraft, 'migrations'>) {
  return { project: name, database: { kind: 'embedded' }, migrations } as const
}

function goesOn({ release }: Preview, { migrations }: ReleaseDraft): boolean {
  const had = release.manifest.migrations
  return isDeepStrictEqual(migrations.slice(0, had.length), had)
}

/** Another one each time: the one before is in use until the new release is shown. */
function newName(project: string, preview: string): string {
  return `${PREFIX}${project.slice(0, 20)}-${preview.slice(0, 20)}-${randomBytes(4).toString('hex')}`
}
