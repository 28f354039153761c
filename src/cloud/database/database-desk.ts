import { Readable, type Transform } from 'node:stream'
import { createGunzip, createGzip } from 'node:zlib'
import type { DatabaseApi, RestoredDatabase } from '../../control/database/database-api.ts'
import type { Database } from '../../database/database.ts'
import type { ReleaseManifest } from '../../releases/manifest.ts'
import type { Clock } from '../../shared/clock.ts'
import { MokaError } from '../../shared/errors.ts'
import type { Databases } from '../databases.ts'

export interface DatabaseDeskParts {
  embedded: Pick<Database, 'backup' | 'restore'>
  databases: Pick<Databases, 'migrate'>
  /** Throws where the project is unknown here. */
  live(project: string): ReleaseManifest
  readBlob(sha256: string): Promise<Uint8Array>
  clock: Clock
}

/** What people do with the database of a project. */
export class DatabaseDesk implements DatabaseApi {
  readonly #parts: DatabaseDeskParts

  constructor(parts: DatabaseDeskParts) {
    this.#parts = parts
  }

  async migrate(project: string): Promise<string[]> {
    const live = this.#parts.live(project)
    if (live.database.kind === 'none') throw noDatabase('migrate', project)
    return this.#parts.databases.migrate(live)
  }

  async backup(project: string): Promise<AsyncIterable<Uint8Array>> {
    this.#requireOwn('back up', project)
    const { embedded, readBlob, clock } = this.#parts
    const chunks = embedded.backup(project, {
      nowMs: clock.now(),
      readMigration: sha256 =>
        readBlob(sha256).then(
          bytes => Buffer.from(bytes).toString('utf8'),
          () => undefined,
        ),
    })
    // What is refused is refused before anything is sent.
    const first = await chunks.next()
    return through(createGzip(), continued(first, chunks))
  }

  async restore(
    project: string,
    backup: AsyncIterable<Uint8Array>,
    options: { isReplacing: boolean },
  ): Promise<RestoredDatabase> {
    this.#requireOwn('restore', project)
    const { embedded, databases } = this.#parts
    try {
      const content = through(createGunzip(), backup)
      const restored = await embedded.restore(project, content, options)
      return { ...restored, migrated: await databases.migrate(this.#parts.live(project)) }
    } catch (error) {
      if (!/^Z_/.test(String((error as { code?: unknown }).code))) throw error
      throw new MokaError(
        'DATABASE_BACKUP_DAMAGED',
        `cannot restore this backup: it is not whole, or no backup of Mokapot (${(error as Error).message})`,
        { hint: 'take another; nothing was changed', cause: error },
      )
    }
  }

  #requireOwn(doing: string, project: string): void {
    const { kind } = this.#parts.live(project).database
    if (kind === 'none') throw noDatabase(doing, project)
    if (kind === 'embedded') return
    throw new MokaError(
      'DATABASE_EXTERNAL',
      `cannot ${doing} the database of project "${project}": it is a server of your own`,
      { hint: 'its own tools do that: eval "$(moka env)"; pg_dump "$DATABASE_URL" > backup.sql' },
    )
  }
}

/** What went before, and what is left. */
async function* continued<T>(first: IteratorResult<T>, rest: AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    if (first.done !== true) yield first.value
    yield* rest
  } finally {
    await rest.return(undefined)
  }
}

/** Begins when it is read: an error that came before would have nobody who hears it. */
async function* through(
  coder: Transform,
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const source = Readable.from(content)
  source.on('error', error => coder.destroy(error))
  try {
    yield* source.pipe(coder) as AsyncIterable<Uint8Array>
  } finally {
    source.destroy()
    coder.destroy()
  }
}

function noDatabase(doing: string, project: string): MokaError {
  return new MokaError(
    'DATABASE_NONE',
    `cannot ${doing} the database of project "${project}": its live release has none`,
    { hint: 'a folder migrations/ or `database: true` in moka.config.ts makes one' },
  )
}
