import { gzipSync } from 'node:zlib'
import type { LambdaClient } from '@aws-sdk/client-lambda'
import type { Migration } from '../../../../../database/migrations/apply.ts'
import { MokaError } from '../../../../../shared/errors.ts'
import type { StatementResult } from '../../../../database/run-sql.ts'
import { explainAwsError } from '../../sdk/errors.ts'
import { sdk } from '../../sdk/sdk.ts'
import { databaseFunctionName } from '../../stack/names.ts'
import { pack, RDS_ROOT_PATH } from '../archive/aws-archive.ts'
import { bundleForLambda } from '../archive/bundle.ts'
import { rdsRoot } from '../archive/rds-root.ts'
import { type DatabaseAccess, iamDatabaseUrl } from '../functions/function-environment.ts'
import { updateOwnFunction } from '../functions/own-function.ts'
import type {
  DatabaseAnswer,
  DatabaseRequest,
  MigrateAnswer,
  SentMigration,
} from '../lambda/protocol.ts'
import { IAM_VARIABLE } from '../lambda/sign-in.ts'

/** Lambda takes 6 MB at once; the rest is room for names and hashes. */
const MAX_SQL_CHARS = 5_000_000

export type IamDatabase = Extract<DatabaseAccess, { host: string }>

/** The project's function inside the network, and what is done in the database by it. */
export class DatabaseFunction {
  readonly #client: Pick<LambdaClient, 'send'>
  readonly #project: string
  readonly #name: string

  constructor(client: Pick<LambdaClient, 'send'>, project: string) {
    this.#client = client
    this.#project = project
    this.#name = databaseFunctionName(project)
  }

  /**
   * Brings the function to this version of moka, where it is another, and makes the user by whom
   * functions come in. `roles` are ARNs of the functions' roles. Nothing changes the second time.
   */
  async prepare(database: IamDatabase, region: string, roles: readonly string[]): Promise<void> {
    await this.#update(database, region)
    await this.#ask({ action: 'prepare', roles: [...roles] }, 'prepare')
  }

  /**
   * Applies what the database does not have, by the rules that hold at home; the names of what was
   * applied. SQL is sent only of what is missing, and in as many pieces as it takes. `database`: of a
   * preview, in place of the live one.
   */
  async migrate(migrations: readonly Migration[], database?: string): Promise<string[]> {
    const applied: string[] = []
    let sql = new Map<string, string>()
    for (;;) {
      const sent: SentMigration[] = migrations.map(({ name, sha256 }) => {
        const text = sql.get(name)
        return { name, sha256, ...(text === undefined ? {} : { sql: text }) }
      })
      const answer = (await this.#ask(
        { action: 'migrate', migrations: sent, ...(database !== undefined && { database }) },
        'migrate',
      )) as MigrateAnswer
      applied.push(...answer.applied)
      if (answer.missing.length === 0) return applied
      if (sql.size > 0 && answer.applied.length === 0) throw stuck(this.#project, answer.missing)
      sql = nextPiece(migrations, answer.missing)
    }
  }

  async query(sql: string): Promise<StatementResult[]> {
    return (await this.#ask({ action: 'query', sql }, 'query')) as StatementResult[]
  }

  /** Makes a database for a preview, unless there is one of that name. On RDS alone. */
  async makePreview(database: string): Promise<void> {
    await this.#ask({ action: 'make-preview', database }, 'add to')
  }

  /** Names of the databases of previews. */
  async previews(): Promise<string[]> {
    return (await this.#ask({ action: 'list-previews' }, 'look at')) as string[]
  }

  async dropPreviews(databases: readonly string[]): Promise<void> {
    await this.#ask({ action: 'drop-previews', databases: [...databases] }, 'clear')
  }

  async #ask(request: DatabaseRequest, doing: string): Promise<unknown> {
    const { InvokeCommand } = await sdk.lambda()
    const what = `${doing} the database of project "${this.#project}"`
    const output = await this.#client
      .send(new InvokeCommand({ FunctionName: this.#name, Payload: JSON.stringify(request) }))
      .catch((error: Error) => {
        throw error.name === 'ResourceNotFoundException'
          ? missing(this.#project)
          : explainAwsError(error, what)
      })
    const text = Buffer.from(output.Payload ?? []).toString('utf8')
    const answer = parse(text) as Partial<DatabaseAnswer> & { errorMessage?: string }
    if (output.FunctionError === undefined && answer.ok === true) return answer.result
    if (output.FunctionError === undefined && answer.ok === false && answer.error !== undefined) {
      const { code, message, hint } = answer.error
      throw new MokaError(code, message, hint === undefined ? {} : { hint })
    }
    const timedOut = /Task timed out/.test(answer.errorMessage ?? '')
    throw new MokaError(
      'AWS_DATABASE_FUNCTION_FAILED',
      `cannot ${what}: ${answer.errorMessage ?? (text.slice(0, 200) || 'its function did not answer')}`,
      {
        hint: timedOut
          ? 'Lambda gives 15 minutes; what was applied stays: put what takes longer into a migration of its own'
          : `moka deploy --to aws brings the function "${this.#name}" up to date; its log is /aws/lambda/${this.#name}`,
      },
    )
  }

  async #update(database: IamDatabase, region: string): Promise<void> {
    await updateOwnFunction(this.#client, this.#name, {
      archive: await databaseFunctionArchive(database.kind, region),
      environment: {
        DATABASE_URL: iamDatabaseUrl(database, 'master'),
        [IAM_VARIABLE]: database.kind,
      },
      missing: () => missing(this.#project),
    })
  }
}

/** Code of the database function; the same bytes for the same version of moka and region. */
export async function databaseFunctionArchive(
  kind: IamDatabase['kind'],
  region: string,
): Promise<Uint8Array> {
  const root: Record<string, Uint8Array> =
    kind === 'rds'
      ? { [RDS_ROOT_PATH.slice('/var/task/'.length)]: Buffer.from(await rdsRoot(region)) }
      : {}
  return pack({ 'index.mjs': await bundleForLambda('database-function'), ...root })
}

/** As many of the first of the missing ones as one payload holds. */
function nextPiece(
  migrations: readonly Migration[],
  missing: readonly string[],
): Map<string, string> {
  const piece = new Map<string, string>()
  let leftChars = MAX_SQL_CHARS
  for (const name of missing) {
    const migration = migrations.find(each => each.name === name)
    if (migration === undefined) break
    const sql = gzipSync(migration.sql).toString('base64')
    leftChars -= sql.length
    if (leftChars >= 0) piece.set(name, sql)
    else if (piece.size > 0) break
    else {
      throw new MokaError(
        'AWS_MIGRATION_TOO_LARGE',
        `cannot apply migration "${name}": compressed it has ${sql.length} characters, and ${MAX_SQL_CHARS} fit into what Lambda takes`,
        { hint: 'split it into several; large data is better loaded once, by a function' },
      )
    }
  }
  return piece
}

function parse(text: string): object {
  try {
    return (JSON.parse(text) as object | null) ?? {}
  } catch {
    return {}
  }
}

function missing(project: string): MokaError {
  return new MokaError(
    'AWS_DATABASE_FUNCTION_MISSING',
    `cannot reach the database of project "${project}": there is no function "${databaseFunctionName(project)}"`,
    { hint: 'moka deploy --to aws makes it; in another region? set AWS_REGION or aws.region' },
  )
}

function stuck(project: string, missing: readonly string[]): MokaError {
  return new MokaError(
    'AWS_DATABASE_FUNCTION_FAILED',
    `cannot migrate the database of project "${project}": "${missing[0]}" was sent and not applied`,
    { hint: 'moka deploy --to aws brings the function up to date' },
  )
}
