import { createReadStream, createWriteStream } from 'node:fs'
import { rename, rm, stat } from 'node:fs/promises'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { readMigrations } from '../../../deploy/migrations.ts'
import { systemClock } from '../../../shared/clock.ts'
import { MokaError, systemErrorCode } from '../../../shared/errors.ts'
import { findCloud, findProjectName } from '../../find-cloud.ts'
import { projectOf, type TargetOptions } from '../../find-target.ts'
import { createReporter, formatCount } from '../../reporter.ts'

/** `moka db migrate`: what the database lacks. At home of the live release, on AWS of this folder. */
export async function migrateDatabase(options: TargetOptions): Promise<void> {
  const reporter = createReporter(options.json === true)
  const tell = (project: string, migrated: readonly string[]) =>
    reporter.result(
      { project, migrated },
      migrated.length === 0
        ? `the database of ${project} has every migration`
        : `applied ${formatCount(migrated.length, 'migration')}: ${migrated.join(', ')}`,
    )
  if (options.to === 'aws') {
    const project = await projectOf(options)
    if (project.database.kind === 'none') throw noDatabase(project.name)
    const files = await readMigrations(project.migrationsDirectory)
    const migrations = files.map(({ sql, ...file }) => ({
      ...file,
      sql: Buffer.from(sql).toString('utf8'),
    }))
    const { database } = await operations(options)
    return tell(project.name, await database.migrate(migrations))
  }
  const cloud = await findCloud(options)
  try {
    const project = await findProjectName(options)
    tell(project, await cloud.api.database.migrate(project))
  } finally {
    cloud.close()
  }
}

/** `moka db backup`: at home a file, on AWS a snapshot of RDS. */
export async function backUpDatabase(
  file: string | undefined,
  options: TargetOptions,
): Promise<void> {
  const reporter = createReporter(options.json === true)
  if (options.to === 'aws') {
    if (file !== undefined) throw noFile(file)
    const project = await projectOf(options)
    const { database } = await operations(options)
    const { id, sizeGigabytes } = await database.backup(percent =>
      reporter.progress(`snapshot of the database of ${project.name}: ${percent} %`),
    )
    reporter.result(
      { project: project.name, snapshot: id, sizeGigabytes },
      `snapshot ${id} is made; RDS restores it as a new instance`,
    )
    return
  }
  const cloud = await findCloud(options)
  try {
    const project = await findProjectName(options)
    const path =
      file ??
      `${project}-${new Date(systemClock.now()).toISOString().slice(0, 19).replaceAll(':', '')}.sql.gz`
    const sizeBytes = await writeWhole(path, await cloud.api.database.backup(project))
    reporter.result(
      { project, file: path, sizeBytes },
      `${path}: the database of ${project}, ${sizeBytes} bytes; moka db restore brings it back`,
    )
  } finally {
    cloud.close()
  }
}

/** `moka db restore`. */
export async function restoreDatabase(
  file: string,
  options: TargetOptions & { replace?: boolean },
): Promise<void> {
  const reporter = createReporter(options.json === true)
  if (options.to === 'aws') {
    throw new MokaError(
      'AWS_NO_RESTORE',
      'cannot restore a database on AWS by this: RDS restores a snapshot as a new instance, under another address',
      {
        hint: 'aws rds restore-db-instance-from-db-snapshot --help; for a backup of a home cloud: gunzip -c FILE | psql',
      },
    )
  }
  await stat(file).catch(error => {
    throw new MokaError(
      'CLI_NO_BACKUP',
      `cannot read backup "${file}": ${systemErrorCode(error) === 'ENOENT' ? 'there is no such file' : (error as Error).message}`,
      { hint: 'moka db backup writes one' },
    )
  })
  const cloud = await findCloud(options)
  try {
    const project = await findProjectName(options)
    reporter.progress(`restoring the database of ${project} …`)
    const isReplacing = options.replace === true
    const restored = await cloud.api.database.restore(project, createReadStream(file), {
      isReplacing,
    })
    const { migrated } = restored
    const more =
      migrated.length === 0
        ? ''
        : `, and ${migrated.join(', ')}, which the live release has besides`
    reporter.result(
      { ...restored, project, from: restored.project },
      `restored the database of ${project} as that of ${restored.project} was at ${new Date(restored.takenMs).toISOString()}: ${formatCount(restored.tables, 'table')}, ${formatCount(restored.migrations, 'migration')}${more}`,
    )
  } finally {
    cloud.close()
  }
}

async function operations(options: TargetOptions) {
  const { openAwsOperations } = await import(
    '../../../deploy/targets/aws/operations/open-operations.ts'
  )
  return openAwsOperations(await projectOf(options), systemClock)
}

/** The file is there when it is whole, and readable by its owner alone. */
async function writeWhole(path: string, content: AsyncIterable<Uint8Array>): Promise<number> {
  const temporary = `${path}.part`
  try {
    await pipeline(Readable.from(content), createWriteStream(temporary, { mode: 0o600 }))
    // What was cut off anywhere has no end that fits.
    await pipeline(createReadStream(temporary), createGunzip(), new Sink())
    await rename(temporary, path)
    return (await stat(path)).size
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

class Sink extends Writable {
  override _write(_chunk: Buffer, _encoding: string, done: () => void): void {
    done()
  }
}

function noDatabase(project: string): MokaError {
  return new MokaError('DATABASE_NONE', `project "${project}" has no database`, {
    hint: 'a folder migrations/ or `database: true` in moka.config.ts makes one',
  })
}

function noFile(file: string): MokaError {
  return new MokaError(
    'AWS_NO_BACKUP_FILE',
    `cannot write a backup to "${file}": on AWS it is a snapshot, which RDS keeps`,
    { hint: 'moka db backup --to aws' },
  )
}
