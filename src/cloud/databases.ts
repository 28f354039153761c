import { createHash } from 'node:crypto'
import type { Database } from '../database/database.ts'
import { applyMigrations, type Migration } from '../database/migrations/apply.ts'
import type { ReleaseDraft } from '../releases/manifest.ts'
import { MokaError } from '../shared/errors.ts'
import type { Logger } from '../shared/logger.ts'

type Schema = Pick<ReleaseDraft, 'project' | 'database' | 'migrations'>

/** Brings a release's database, embedded or external, to the release's schema. */
export class Databases {
  readonly #embedded: Database
  readonly #readBlob: (sha256: string) => Promise<Uint8Array>
  readonly #secretOf: (project: string, sha256: string) => Promise<string | undefined>
  readonly #logger: Logger
  /** What this process has applied, by project, so that it is asked only once. */
  readonly #applied = new Map<string, { schema: string; url: Promise<string> }>()

  constructor(options: {
    embedded: Database
    readBlob(sha256: string): Promise<Uint8Array>
    secretOf(project: string, sha256: string): Promise<string | undefined>
    logger: Logger
  }) {
    this.#embedded = options.embedded
    this.#readBlob = options.readBlob
    this.#secretOf = options.secretOf
    this.#logger = options.logger
  }

  /** Applies what is missing; the names of what was applied. */
  async migrate(schema: Schema): Promise<string[]> {
    return (await this.#applyOnce(schema, hashSchema(schema))).applied
  }

  /** The database's address for functions, once its schema is in place; undefined without one. */
  async urlFor(schema: Schema): Promise<string | undefined> {
    if (schema.database.kind === 'none') return undefined
    // A server that died meanwhile is started again, and its address may be another.
    if (schema.database.kind === 'embedded') await this.#embedded.ensure(schema.project)
    const key = hashSchema(schema)
    const known = this.#applied.get(schema.project)
    if (known?.schema === key) return known.url
    return (await this.#applyOnce(schema, key)).url
  }

  /** The address that people use: through the door of the embedded one. */
  async publicUrl(schema: Schema): Promise<string | undefined> {
    if (schema.database.kind === 'embedded') return this.#embedded.url(schema.project)
    return schema.database.kind === 'external' ? this.#externalUrl(schema) : undefined
  }

  /** Applies, and remembers it: the first invocation after a deploy finds the schema in place. */
  #applyOnce(schema: Schema, key: string): Promise<{ url: string; applied: string[] }> {
    const result = this.#apply(schema)
    const entry = { schema: key, url: result.then(({ url }) => url) }
    this.#applied.set(schema.project, entry)
    entry.url.catch(() => {
      if (this.#applied.get(schema.project) === entry) this.#applied.delete(schema.project)
    })
    return result
  }

  async #apply(schema: Schema): Promise<{ url: string; applied: string[] }> {
    const migrations = await this.#readMigrations(schema)
    if (schema.database.kind === 'embedded') {
      const { url } = await this.#embedded.ensure(schema.project)
      return { url, ...(await this.#embedded.migrate(schema.project, migrations)) }
    }
    const url = await this.#externalUrl(schema)
    try {
      return { url, ...(await applyMigrations(url, migrations, this.#logger)) }
    } catch (error) {
      throw withField(error)
    }
  }

  #readMigrations(schema: Schema): Promise<Migration[]> {
    return Promise.all(
      schema.migrations.map(async ({ name, sha256 }) => ({
        name,
        sha256,
        sql: Buffer.from(await this.#readBlob(sha256)).toString('utf8'),
      })),
    )
  }

  async #externalUrl({ project, database }: Schema): Promise<string> {
    const url =
      database.kind === 'external' ? await this.#secretOf(project, database.urlSha256) : undefined
    if (url !== undefined) return url
    throw new MokaError(
      'CLOUD_SECRET_MISSING',
      `cannot open the database of project "${project}": its address is not stored here`,
      { hint: 'deploy again, with database.url set' },
    )
  }
}

/** Says which field an address comes from that leads to no database. */
function withField(error: unknown): unknown {
  if (!(error instanceof MokaError) || error.hint !== undefined) return error
  const isAboutAddress = /^DATABASE_(?:UNREACHABLE|REFUSED|URL_INVALID)$/.test(error.code)
  return isAboutAddress
    ? new MokaError(error.code, error.message, {
        hint: 'check field "database.url", and that its server is running and lets this machine in',
        cause: error,
      })
    : error
}

function hashSchema({ database, migrations }: Schema): string {
  return createHash('sha256')
    .update(JSON.stringify([database, migrations]))
    .digest('hex')
}
