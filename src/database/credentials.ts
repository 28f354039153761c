import { createHash, createHmac, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../shared/atomic-file.ts'
import { MokaError, systemErrorCode } from '../shared/errors.ts'

/** Not the name of any project: those begin with a letter or digit. */
export const SUPERUSER = '_moka'

const PROJECT_NAME = /^[a-z0-9](?:[a-z0-9-]{0,60}[a-z0-9])?$/
// Names that PostgreSQL keeps for itself.
const RESERVED = /^(?:pg_.*|postgres|template[01]|public|none)$/

/**
 * The role of a project, which is also the name of its database: `my-site` → `my_site`. A name
 * that PostgreSQL reserves gets a trailing underscore, which no other project's role can have.
 * Throws `DATABASE_PROJECT_NAME`.
 */
export function roleOf(project: string): string {
  if (!PROJECT_NAME.test(project)) {
    throw new MokaError(
      'DATABASE_PROJECT_NAME',
      `cannot make a database for project "${project}": the name is not made of lower-case letters, digits and "-"`,
    )
  }
  const role = project.replaceAll('-', '_')
  return RESERVED.test(role) ? `${role}_` : role
}

/** Tells whether a role still has a password, without telling the password. */
export function fingerprint(password: string): string {
  return `mokapot ${createHash('sha256').update(password).digest('hex')}`
}

/**
 * The passwords of everybody, all derived from one random secret: a project's URL can be told
 * before anything is started or written.
 */
export class Credentials {
  readonly #path: string
  readonly #secret: string
  readonly #projects: Set<string>
  #writing: Promise<void> = Promise.resolve()

  constructor(path: string, secret: string, projects: Iterable<string> = []) {
    this.#path = path
    this.#secret = secret
    this.#projects = new Set(projects)
  }

  get projects(): readonly string[] {
    return [...this.#projects]
  }

  superuserPassword(): string {
    return this.#derive('superuser')
  }

  /** Also makes the project known from now on, across restarts. */
  projectPassword(project: string): string {
    roleOf(project)
    if (!this.#projects.has(project)) {
      this.#projects.add(project)
      this.#writing = this.#writing.catch(() => {}).then(() => this.#write())
      this.#writing.catch(() => {}) // reported by flush
    }
    return this.#derive(`project ${project}`)
  }

  /** The project is no longer known, now and after a restart, when it resolves. */
  async forget(project: string): Promise<void> {
    if (!this.#projects.delete(project)) return
    this.#writing = this.#writing.catch(() => {}).then(() => this.#write())
    await this.#writing
  }

  /** Resolves once all known projects are on disk. */
  flush(): Promise<void> {
    return this.#writing
  }

  #derive(subject: string): string {
    return createHmac('sha256', this.#secret).update(subject).digest('base64url')
  }

  #write(): Promise<void> {
    const content = { secret: this.#secret, projects: [...this.#projects].sort() }
    return writeFileAtomic(this.#path, `${JSON.stringify(content, null, 2)}\n`, 0o600)
  }

  /** Reads `credentials.json` (mode 0600), or makes it. Throws `DATABASE_CREDENTIALS`. */
  static async open(directory: string): Promise<Credentials> {
    const path = join(directory, 'credentials.json')
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw damaged(path, error)
      const created = new Credentials(path, randomBytes(32).toString('hex'))
      await created.#write()
      return created
    }
    try {
      const { secret, projects } = JSON.parse(text) as { secret: unknown; projects: unknown }
      if (typeof secret === 'string' && secret.length >= 32 && Array.isArray(projects)) {
        return new Credentials(path, secret, projects.filter(isProjectName))
      }
    } catch (error) {
      throw damaged(path, error)
    }
    throw damaged(path, new Error('it has no secret'))
  }
}

function isProjectName(name: unknown): name is string {
  return typeof name === 'string' && PROJECT_NAME.test(name)
}

function damaged(path: string, cause: unknown): MokaError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new MokaError('DATABASE_CREDENTIALS', `cannot read "${path}": ${reason}`, {
    hint: 'remove the file: new passwords are made, and the data stays',
    cause,
  })
}
