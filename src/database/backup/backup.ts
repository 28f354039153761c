import { createHash } from 'node:crypto'
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { MokaError } from '../../shared/errors.ts'
import { silentLogger } from '../../shared/logger.ts'
import type { Connection } from '../client/connect.ts'
import type { ConnectionTarget } from '../client/connection-url.ts'
import { roleOf } from '../credentials.ts'
import { applyMigrations, type Migration } from '../migrations/apply.ts'
import { readCatalog } from './catalog.ts'
import { damaged, readBackup } from './read-backup.ts'
import { takePlace, withScratch } from './scratch.ts'
import { writeBackup } from './write-backup.ts'

/** How a project's server is reached. */
export interface BackupAccess {
  project: string
  /** As the superuser. */
  open(database: string): Promise<Connection>
  /** As the project's role. */
  target(database: string): ConnectionTarget
}

export interface Restored {
  /** Whose backup it was. */
  project: string
  takenMs: number
  migrations: number
  tables: number
}

/** See {@link writeBackup}: what the migrations make is tried in a database that goes again. */
export async function* backUp(
  access: BackupAccess,
  options: {
    nowMs: number
    readMigration(sha256: string): Promise<string | undefined>
  },
): AsyncGenerator<Buffer> {
  const { project, open } = access
  const connection = await open(roleOf(project))
  try {
    yield* writeBackup(connection, {
      ...{ project, ...options },
      catalogOf: migrations => catalogOf(access, migrations),
    })
  } finally {
    await connection.close()
  }
}

async function catalogOf(
  { project, open, target }: BackupAccess,
  migrations: readonly Migration[],
): Promise<string[]> {
  const admin = await open('postgres')
  try {
    return await withScratch(admin, roleOf(project), async name => {
      await applyMigrations(target(name), migrations, silentLogger)
      const inside = await open(name)
      try {
        await inside.sql.unsafe('begin')
        return await readCatalog(inside)
      } finally {
        await inside.close()
      }
    })
  } finally {
    await admin.close()
  }
}

/**
 * Puts a backup in the place of a project's database, as a whole or not at all: it is restored into a
 * new one, which takes the other's name when it is complete. Throws `DATABASE_BACKUP_DAMAGED`,
 * `DATABASE_NOT_EMPTY`.
 */
export async function restore(
  { project, open, target }: BackupAccess,
  source: AsyncIterable<Uint8Array>,
  { isReplacing }: { isReplacing: boolean },
): Promise<Restored> {
  const role = roleOf(project)
  if (!isReplacing) await checkEmpty(open, project)
  const admin = await open('postgres')
  try {
    return await withScratch(admin, role, async name => {
      const restored = await fill(open, target(name), source)
      await takePlace(open, name, role)
      return restored
    })
  } finally {
    await admin.close()
  }
}

async function fill(
  open: BackupAccess['open'],
  target: ConnectionTarget,
  source: AsyncIterable<Uint8Array>,
): Promise<Restored> {
  const restored: Restored = { project: '', takenMs: 0, migrations: 0, tables: 0 }
  const migrations: Migration[] = []
  let inside: Connection | undefined
  try {
    for await (const part of readBackup(source)) {
      if (part.kind === 'header') {
        restored.project = part.project
        restored.takenMs = part.takenMs
        continue
      }
      if (part.kind === 'migration') {
        checkHash(part.migration)
        migrations.push(part.migration)
        continue
      }
      if (inside === undefined) {
        await applyMigrations(target, migrations, silentLogger)
        restored.migrations = migrations.length
        inside = await open(target.database)
        await inside.sql.unsafe('begin')
      }
      if (part.kind === 'statements') await inside.sql.unsafe(part.sql)
      else {
        await copyRows(inside, part.statement, part.rows)
        restored.tables += 1
      }
    }
    await inside?.sql.unsafe('commit')
    return restored
  } catch (error) {
    if (error instanceof MokaError) throw error
    throw damaged((error as Error).message, error)
  } finally {
    await inside?.close()
  }
}

/**
 * The library tells a stream nothing of rows that the server refuses at their end (postgres 3.4): it
 * rejects the query, which has been resolved with the stream long since. So that is listened for.
 */
async function copyRows(
  { sql }: Connection,
  statement: string,
  rows: AsyncGenerator<Buffer>,
): Promise<void> {
  const query = sql.unsafe(statement)
  const refused = new Promise<never>((_, reject) => {
    Object.assign(query, { reject })
  })
  const copied = query.writable().then(stream => pipeline(rows, stream as Writable))
  copied.catch(() => {})
  await Promise.race([copied, refused])
}

function checkHash({ name, sql, sha256 }: Migration): void {
  if (createHash('sha256').update(sql).digest('hex') === sha256) return
  throw damaged(`migration "${name}" in it is not what was applied`)
}

async function checkEmpty(open: BackupAccess['open'], project: string): Promise<void> {
  const { sql, close } = await open(roleOf(project))
  try {
    const tables = await sql.unsafe<{ name: string }[]>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables
       where schemaname !~ '^pg_' and schemaname not in ('information_schema', 'mokapot') order by 1`,
    )
    for (const { name } of tables) {
      const [row] = await sql.unsafe(`select exists (select from ${name}) as has`)
      if (row?.has !== true) continue
      throw new MokaError(
        'DATABASE_NOT_EMPTY',
        `cannot restore the database of project "${project}": table ${name} has rows, which would be replaced`,
        { hint: 'moka db backup first, then moka db restore FILE --replace' },
      )
    }
  } finally {
    await close()
  }
}
