import { createHash } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
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
import type {
  DatabaseAnswer,
  DatabaseRequest,
  MigrateAnswer,
  SentMigration,
} from '../lambda/protocol.ts'
import { IAM_VARIABLE } from '../lambda/sign-in.ts'

/** Lambda takes 6 MB at once; the rest is room for names and hashes. */
const MAX_SQL_CHARS = 5_000_000
const READY_WAIT_MS = 120_000
const READY_POLL_MS = 500

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
   * applied. SQL is sent only of what is missing, and in as many pieces as it takes.
   */
  async migrate(migrations: readonly Migration[]): Promise<string[]> {
    const applied: string[] = []
    let sql = new Map<string, string>()
    for (;;) {
      const sent: SentMigration[] = migrations.map(({ name, sha256 }) => {
        const text = sql.get(name)
        return { name, sha256, ...(text === undefined ? {} : { sql: text }) }
      })
      const answer = (await this.#ask(
        { action: 'migrate', migrations: sent },
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
    const lambda = await sdk.lambda()
    const FunctionName = this.#name
    try {
      const before = await this.#client.send(
        new lambda.GetFunctionConfigurationCommand({ FunctionName }),
      )
      const archive = await databaseFunctionArchive(database.kind, region)
      const sha256 = createHash('sha256').update(archive).digest('base64')
      const Variables = {
        DATABASE_URL: iamDatabaseUrl(database, 'master'),
        [IAM_VARIABLE]: database.kind,
      }
      if (before.CodeSha256 !== sha256) {
        await this.#ready(lambda)
        await this.#client.send(
          new lambda.UpdateFunctionCodeCommand({
            FunctionName,
            ZipFile: archive,
            Architectures: ['arm64'],
          }),
        )
      }
      const isSame = Object.entries(Variables).every(
        ([name, value]) => before.Environment?.Variables?.[name] === value,
      )
      if (!isSame || before.Handler !== HANDLER) {
        await this.#ready(lambda)
        await this.#client.send(
          new lambda.UpdateFunctionConfigurationCommand({
            FunctionName,
            Handler: HANDLER,
            Environment: { Variables },
          }),
        )
      }
      await this.#ready(lambda)
    } catch (error) {
      if ((error as Error).name === 'ResourceNotFoundException') throw missing(this.#project)
      throw explainAwsError(error, `update function "${FunctionName}"`)
    }
  }

  /** Lambda takes one change after the other. */
  async #ready(lambda: Awaited<ReturnType<typeof sdk.lambda>>): Promise<void> {
    const FunctionName = this.#name
    for (let waitedMs = 0; waitedMs < READY_WAIT_MS; waitedMs += READY_POLL_MS) {
      const { State, LastUpdateStatus, LastUpdateStatusReason } = await this.#client.send(
        new lambda.GetFunctionConfigurationCommand({ FunctionName }),
      )
      if (LastUpdateStatus === 'Failed') {
        throw new MokaError(
          'AWS_FUNCTION_UPDATE_FAILED',
          `cannot update function "${FunctionName}": ${LastUpdateStatusReason ?? 'Lambda gives no reason'}`,
          { hint: 'moka deploy --to aws tries again' },
        )
      }
      if (LastUpdateStatus !== 'InProgress' && State !== 'Pending') return
      await setTimeout(READY_POLL_MS)
    }
    throw new MokaError(
      'AWS_FUNCTION_NOT_READY',
      `cannot use function "${FunctionName}": Lambda has not made it ready within ${READY_WAIT_MS / 1000} s`,
      { hint: 'again in some minutes' },
    )
  }
}

const HANDLER = 'index.handler'

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
