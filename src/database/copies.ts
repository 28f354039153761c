import { setTimeout } from 'node:timers/promises'
import { MokaError } from '../shared/errors.ts'
import { type Connection, sqlState } from './client/connect.ts'
import { roleOf } from './credentials.ts'

/** A session that has been idle for so long is ended when its database is copied. */
const IDLE_SECONDS = 2
const CLEAR_EVERY_MS = 200

/**
 * Makes a project's database anew, as a copy of another one's (`create database … template`): its
 * tables, data and record of migrations, owned by the project's own role. Both databases are there.
 *
 * PostgreSQL copies a database in which nobody is. Who connects meanwhile waits until the copy is
 * made, and loses nothing; who is there already and idle is ended; who is at work is waited for, as
 * long as PostgreSQL does (5 s, CountOtherDBBackends). `clear` is called now and then meanwhile, to
 * let go of connections that can be spared. Throws `DATABASE_COPY_BUSY` after that time.
 */
export async function copyDatabase(
  open: (database: string) => Promise<Connection>,
  from: string,
  to: string,
  clear: () => void = () => {},
): Promise<void> {
  const [source, target] = [roleOf(from), roleOf(to)]
  const [creating, clearing] = [await open('postgres'), await open('postgres')]
  try {
    await creating.sql.unsafe(`drop database if exists "${target}" with (force)`)
    await create(creating, clearing, { source, target, project: from, clear })
    await creating.sql.unsafe(`revoke all on database "${target}" from public`)
  } finally {
    await Promise.all([creating.close(), clearing.close()])
  }
  const inside = await open(target)
  try {
    await handOver(inside, source, target)
  } finally {
    await inside.close()
  }
}

/** Removes a project's database and its role, whoever is there. */
export async function dropDatabase({ sql }: Connection, project: string): Promise<void> {
  const role = roleOf(project)
  await sql.unsafe(`drop database if exists "${role}" with (force)`)
  await sql.unsafe(`drop role if exists "${role}"`)
}

async function create(
  creating: Connection,
  clearing: Connection,
  {
    source,
    target,
    project,
    clear,
  }: { source: string; target: string; project: string; clear(): void },
): Promise<void> {
  const ended = new AbortController()
  const leaving = endIdleSessions(clearing, source, clear, ended.signal)
  try {
    // From here on it holds a lock that who connects to the source waits for.
    await creating.sql.unsafe(`create database "${target}" template "${source}" owner "${target}"`)
  } catch (error) {
    if (sqlState(error) !== '55006') throw error // object_in_use
    throw new MokaError(
      'DATABASE_COPY_BUSY',
      `cannot copy the database of project "${project}": somebody has been at work in it for 5 s`,
      { hint: 'again when it is done; or take an empty one', cause: error },
    )
  } finally {
    ended.abort()
    await leaving
  }
}

async function endIdleSessions(
  { sql }: Connection,
  database: string,
  clear: () => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    clear()
    await sql.unsafe(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = '${database}' and state = 'idle'
         and state_change < clock_timestamp() - interval '${IDLE_SECONDS} s'`,
    )
    await setTimeout(CLEAR_EVERY_MS, undefined, { signal }).catch(() => {})
  }
}

/**
 * What was the one role's is the other's. `reassign owned` takes in databases as well, which are
 * no part of the copy: those stay whose they are.
 */
async function handOver({ sql }: Connection, from: string, to: string): Promise<void> {
  const owned = await sql.unsafe<{ name: string }[]>(
    `select datname as name from pg_database where datdba = '"${from}"'::regrole`,
  )
  const back = owned.map(({ name }) => `alter database "${name}" owner to "${from}";`)
  await sql.unsafe(`begin; reassign owned by "${from}" to "${to}"; ${back.join(' ')} commit`)
}
