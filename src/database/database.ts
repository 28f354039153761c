import { constants } from 'node:fs'
import { access, chmod, mkdir, realpath } from 'node:fs/promises'
import { MokaError } from '../shared/errors.ts'
import type { Logger } from '../shared/logger.ts'
import { backUp, type Restored, restore } from './backup/backup.ts'
import { formatConnectionUrl, parseConnectionUrl } from './client/connection-url.ts'
import { copyDatabase, dropDatabase } from './copies.ts'
import { Credentials, roleOf, SUPERUSER } from './credentials.ts'
import { Postmaster } from './launcher/postmaster.ts'
import type { Tie } from './launcher/run.ts'
import { applyMigrations, type Migration, type MigrationResult } from './migrations/apply.ts'
import { connectAsSuperuser, isPasswordRefused, makeProjects } from './projects.ts'
import { openDoor } from './server.ts'

export interface DatabaseOptions {
  /** Folder for the data, the passwords and all else of the database. Made if it is missing. */
  directory: string
  /** Where clients connect. Default: 127.0.0.1. */
  host?: string
  /** 0 takes a free one. */
  port: number
  logger: Logger
  /** Default: what the machine has. */
  tie?: Tie
}

/** An embedded PostgreSQL that costs nothing until it is used. */
export interface Database {
  /** The port that is open to clients. */
  readonly port: number
  /** Whether PostgreSQL itself runs. */
  readonly isRunning: boolean
  /** A project's URL through the door. Valid at once: connecting starts what has to be started. */
  url(project: string): string
  /**
   * Starts PostgreSQL and makes the project's role and database. The URL leads straight to it,
   * which is faster, and is good until the database is closed.
   */
  ensure(project: string): Promise<{ url: string }>
  /** {@link applyMigrations} on the project's database. */
  migrate(project: string, migrations: readonly Migration[]): Promise<MigrationResult>
  /** Makes a project's database anew as a copy of another one's: see {@link copyDatabase}. */
  copy(from: string, to: string, clear?: () => void): Promise<void>
  /** A project's database, to be kept: see {@link backUp}. One at a time, with restores. */
  backup(
    project: string,
    options: { nowMs: number; readMigration(sha256: string): Promise<string | undefined> },
  ): AsyncGenerator<Buffer>
  /** Puts a backup in the place of a project's database: see {@link restore}. */
  restore(
    project: string,
    source: AsyncIterable<Uint8Array>,
    options: { isReplacing: boolean },
  ): Promise<Restored>
  /** Removes a project's database for good. */
  drop(project: string): Promise<void>
  /** The projects that have been asked for, and not dropped since. */
  projects(): readonly string[]
  /** Ends connections and PostgreSQL within 1.5 s. */
  close(): Promise<void>
}

/**
 * Opens the door on the public port without starting PostgreSQL. Throws `DATABASE_DIRECTORY`,
 * `DATABASE_CREDENTIALS`, `DATABASE_PORT_TAKEN`.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { port, logger, host = '127.0.0.1' } = options
  const directory = await prepareDirectory(options.directory)
  const credentials = await Credentials.open(directory)
  const superuser = { name: SUPERUSER, password: credentials.superuserPassword() }
  const postmaster = new Postmaster({
    directory,
    superuser,
    logger,
    ...(options.tie === undefined ? {} : { tie: options.tie }),
  })
  const projects = new ProjectQueue(postmaster, credentials)
  const door = await openDoor({ host, port, logger, wake: () => projects.ensureAll() })
  const url = (project: string, to: { host: string; port: number }): string => {
    const role = roleOf(project)
    const password = credentials.projectPassword(project)
    return formatConnectionUrl({ ...to, user: role, password, database: role })
  }
  const ensure = async (project: string) => {
    credentials.projectPassword(project)
    const direct = await projects.ensureAll()
    return { url: url(project, { host: '127.0.0.1', port: direct }) }
  }
  const backups = new Turns()
  const access = async (project: string) => {
    await ensure(project)
    const port = await projects.ensureAll()
    const own = parseConnectionUrl(url(project, { host: '127.0.0.1', port }))
    return {
      project,
      open: (name: string) => connectAsSuperuser(port, credentials, name),
      target: (database: string) => ({ ...own, database }),
    }
  }
  return {
    port: door.port,
    get isRunning() {
      return postmaster.isRunning
    },
    url: project => url(project, { host: reachable(host), port: door.port }),
    ensure,
    migrate: async (project, migrations) =>
      applyMigrations((await ensure(project)).url, migrations, logger),
    async copy(from, to, clear) {
      await Promise.all([ensure(from), ensure(to)])
      const port = await projects.ensureAll()
      await copyDatabase(name => connectAsSuperuser(port, credentials, name), from, to, clear)
    },
    async *backup(project, options) {
      const turn = await backups.begin()
      try {
        yield* backUp(await access(project), options)
      } finally {
        turn.end()
      }
    },
    async restore(project, source, options) {
      const turn = await backups.begin()
      try {
        return await restore(await access(project), source, options)
      } finally {
        turn.end()
      }
    },
    async drop(project) {
      const port = await projects.ensureAll()
      const connection = await connectAsSuperuser(port, credentials)
      try {
        await dropDatabase(connection, project)
      } finally {
        await connection.close()
      }
      await credentials.forget(project)
      projects.forget(project)
    },
    projects: () => credentials.projects,
    close: async () => {
      const flushed = credentials.flush().catch(error => {
        logger.warn('database projects were not written down', { error: String(error) })
      })
      await Promise.all([door.close(), postmaster.close(), flushed])
    },
  }
}

/** One after the other. */
class Turns {
  #last: Promise<void> = Promise.resolve()

  async begin(): Promise<{ end(): void }> {
    const before = this.#last
    let end = () => {}
    this.#last = new Promise(resolve => {
      end = resolve
    })
    await before
    return { end }
  }
}

/** Makes roles and databases, one call after the other, and remembers which are there. */
class ProjectQueue {
  readonly #postmaster: Postmaster
  readonly #credentials: Credentials
  readonly #made = new Set<string>()
  #last: Promise<unknown> = Promise.resolve()

  constructor(postmaster: Postmaster, credentials: Credentials) {
    this.#postmaster = postmaster
    this.#credentials = credentials
  }

  /** Starts PostgreSQL, makes what is missing of every known project, resolves to the port. */
  async ensureAll(): Promise<number> {
    const port = await this.#postmaster.start()
    if (this.#missing().length === 0) return port
    const turn = this.#last.then(() => this.#make())
    this.#last = turn.catch(() => {})
    return await turn
  }

  forget(project: string): void {
    this.#made.delete(project)
  }

  #missing(): string[] {
    return this.#credentials.projects.filter(project => !this.#made.has(project))
  }

  async #make(): Promise<number> {
    let port = await this.#postmaster.start()
    const missing = this.#missing()
    if (missing.length === 0) return port
    await this.#credentials.flush()
    try {
      await makeProjects(port, this.#credentials, missing)
    } catch (error) {
      if (!isPasswordRefused(error)) throw error
      port = await this.#renewSuperuser()
      await makeProjects(port, this.#credentials, missing)
    }
    for (const project of missing) this.#made.add(project)
    return port
  }

  /** The credentials file was lost and made anew while the data stayed. */
  async #renewSuperuser(): Promise<number> {
    await this.#postmaster.stop()
    await this.#postmaster.runSingleUser(
      `alter role "${SUPERUSER}" password '${this.#credentials.superuserPassword()}'`,
    )
    return await this.#postmaster.start()
  }
}

/** What a client on this machine connects to when the door listens on every address. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  return host === '::' ? '::1' : host
}

async function prepareDirectory(path: string): Promise<string> {
  try {
    await mkdir(path, { recursive: true, mode: 0o711 })
    await access(path, constants.W_OK | constants.X_OK)
    await chmod(path, 0o711) // another user may own the data below; the files here are 0600
    return await realpath(path)
  } catch (cause) {
    throw new MokaError(
      'DATABASE_DIRECTORY',
      `cannot keep the database in "${path}": ${cause instanceof Error ? cause.message : cause}`,
      { hint: 'make the folder writable, or choose another data directory', cause },
    )
  }
}
