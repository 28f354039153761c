import { gunzipSync } from 'node:zlib'
import { type Connection, connect } from '../../../../../database/client/connect.ts'
import {
  applyMigrations,
  type Migration,
  readApplied,
} from '../../../../../database/migrations/apply.ts'
import { planMigrations } from '../../../../../database/migrations/plan.ts'
import { MokaError } from '../../../../../shared/errors.ts'
import { silentLogger } from '../../../../../shared/logger.ts'
import { runSql } from '../../../../database/run-sql.ts'
import { DATABASE_USER, PREVIEW_PREFIX } from '../../stack/names.ts'
import { applyToDsql } from './dsql-migrations.ts'
import type { DatabaseAnswer, DatabaseRequest, MigrateAnswer, SentMigration } from './protocol.ts'
import { IAM_VARIABLE, signedTarget } from './sign-in.ts'

/** The function inside the network: what it is asked, it does in the database and tells how it went. */
export async function handler(request: DatabaseRequest): Promise<DatabaseAnswer> {
  try {
    return { ok: true, result: await run(request) }
  } catch (error) {
    if (error instanceof MokaError) {
      const { code, message, hint } = error
      return { ok: false, error: { code, message, ...(hint === undefined ? {} : { hint }) } }
    }
    const { message, detail, hint } = error as { message?: string; detail?: string; hint?: string }
    const text = `${message ?? String(error)}${detail === undefined ? '' : ` (${detail})`}`
    const withHint = hint === undefined ? {} : { hint }
    return { ok: false, error: { code: 'DATABASE_FAILED', message: text, ...withHint } }
  }
}

function run(request: DatabaseRequest): Promise<unknown> {
  switch (request.action) {
    case 'prepare':
      return prepare(request.roles)
    case 'migrate':
      return migrate(request.migrations, request.database)
    case 'query':
      return as(userName(), connection => runSql(connection, request.sql))
    case 'make-preview':
      return makePreview(request.database)
    case 'list-previews':
      return listPreviews()
    case 'drop-previews':
      return dropPreviews(request.databases)
    default:
      throw new MokaError(
        'DATABASE_REQUEST_UNKNOWN',
        `cannot do "${(request as { action?: unknown }).action}": this function of Mokapot's is of another version`,
        { hint: 'moka deploy --to aws brings it to the version of moka' },
      )
  }
}

const userName = () => (isDsql() ? 'admin' : DATABASE_USER)
const isDsql = () => process.env[IAM_VARIABLE] === 'dsql'

async function as<T>(
  user: string | undefined,
  work: (connection: Connection) => Promise<T>,
  database?: string,
): Promise<T> {
  const connection = await connect(signedTarget(process.env, Date.now(), { user, database }))
  try {
    return await work(connection)
  } finally {
    await connection.close()
  }
}

/** Makes what is missing; nothing, most of the time. */
async function prepare(roles: readonly string[]): Promise<void> {
  await as(undefined, async ({ sql, target }) => {
    const [found] = await sql.unsafe('select 1 from pg_roles where rolname = $1', [DATABASE_USER])
    if (found === undefined) await sql.unsafe(`create role "${DATABASE_USER}" with login`)
    if (isDsql()) return letRolesIn(sql, roles)
    const [state] = await sql.unsafe(
      `select pg_has_role($1, 'rds_iam', 'member') as signs,
         pg_has_role(current_user, $1, 'set') as acts,
         (select pg_get_userbyid(datdba) = $1 from pg_database where datname = current_database()) as owns`,
      [DATABASE_USER],
    )
    if (state?.signs !== true) await sql.unsafe(`grant rds_iam to "${DATABASE_USER}"`)
    if (state?.owns === true) return
    // To hand a database over one has to be able to act as its new owner, who owns `public` by that.
    if (state?.acts !== true) await sql.unsafe(`grant "${DATABASE_USER}" to current_user`)
    await sql.unsafe(`alter database "${target.database}" owner to "${DATABASE_USER}"`)
  })
}

/** Aurora DSQL keeps itself which role of IAM may come in as whom. */
async function letRolesIn(sql: Connection['sql'], roles: readonly string[]): Promise<void> {
  const known = await sql.unsafe<{ arn: string }[]>(
    'select arn from sys.iam_pg_role_mappings where pg_role_name = $1',
    [DATABASE_USER],
  )
  const wanted = new Set(roles)
  for (const { arn } of known) {
    if (!wanted.delete(arn))
      await sql.unsafe(`aws iam revoke "${DATABASE_USER}" from ${quoted(arn)}`)
  }
  for (const arn of wanted) await sql.unsafe(`aws iam grant "${DATABASE_USER}" to ${quoted(arn)}`)
}

async function migrate(sent: readonly SentMigration[], database?: string): Promise<MigrateAnswer> {
  const user = userName()
  const { pending, done } = await as(
    user,
    async connection => {
      const applied = await readApplied(connection)
      const plan = planMigrations(sent, applied)
      return { pending: plan.pending, done: sent.filter(each => !plan.pending.includes(each)) }
    },
    database,
  )
  const end = pending.findIndex(({ sql }) => sql === undefined)
  const ready = end === -1 ? pending : pending.slice(0, end)
  const missing = pending.slice(ready.length).map(({ name }) => name)
  if (ready.length === 0) {
    if (isDsql()) await as('admin', grantTables)
    return { applied: [], missing }
  }
  const migrations = [...done, ...ready].map(decode)
  const apply = isDsql()
    ? as('admin', async connection => {
        const applied = await applyToDsql(connection, migrations)
        await grantTables(connection)
        return applied
      })
    : applyMigrations(
        signedTarget(process.env, Date.now(), { user, database }),
        migrations,
        silentLogger,
      ).then(({ applied }) => applied)
  return { applied: await apply, missing }
}

/** Its own user owns it, who is that of all functions of the project. */
function makePreview(database: string): Promise<boolean> {
  return as(undefined, async ({ sql }) => {
    const [found] = await sql.unsafe('select 1 from pg_database where datname = $1', [database])
    if (found !== undefined) return false
    await sql.unsafe(`create database ${identifier(database)} owner "${DATABASE_USER}"`)
    return true
  })
}

function listPreviews(): Promise<string[]> {
  return as(undefined, async ({ sql }) => {
    const found = await sql.unsafe<{ datname: string }[]>(
      'select datname from pg_database where starts_with(datname, $1) order by 1',
      [PREVIEW_PREFIX],
    )
    return found.map(({ datname }) => datname)
  })
}

/** Functions that are at work in one are signed out. */
function dropPreviews(databases: readonly string[]): Promise<void> {
  return as(undefined, async ({ sql }) => {
    for (const name of databases.filter(each => each.startsWith(PREVIEW_PREFIX))) {
      await sql.unsafe(`drop database if exists ${identifier(name)} with (force)`)
    }
  })
}

const identifier = (name: string) => `"${name.replaceAll('"', '""')}"`

function decode({ name, sha256, sql }: SentMigration): Migration {
  return {
    name,
    sha256,
    sql: sql === undefined ? '' : gunzipSync(Buffer.from(sql, 'base64')).toString(),
  }
}

/** At DSQL `admin` owns what migrations make, and functions may use it. */
async function grantTables({ sql }: Connection): Promise<void> {
  const schemas = await sql.unsafe<{ name: string }[]>(
    `select nspname as name from pg_namespace
     where nspname !~ '^pg_' and nspname not in ('information_schema', 'sys', 'mokapot')`,
  )
  for (const { name } of schemas) {
    const schema = identifier(name)
    await sql.unsafe(`grant usage on schema ${schema} to "${DATABASE_USER}"`)
    await sql.unsafe(
      `grant select, insert, update, delete on all tables in schema ${schema} to "${DATABASE_USER}"`,
    )
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
