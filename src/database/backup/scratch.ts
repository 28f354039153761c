import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { Connection } from '../client/connect.ts'

/** No project's database begins so. */
const PREFIX = '_moka_scratch_'
const CLEAR_EVERY_MS = 100

/**
 * Makes an empty database of a role's own, beside its real one, and lends it. It goes afterwards, and so
 * do those that a killed program has left: nobody else makes any meanwhile.
 */
export async function withScratch<T>(
  { sql }: Connection,
  role: string,
  work: (name: string) => Promise<T>,
): Promise<T> {
  const left = await sql.unsafe<{ name: string }[]>(
    `select datname as name from pg_database where starts_with(datname, '${PREFIX}')`,
  )
  for (const { name } of left) await drop(sql, name)
  const name = `${PREFIX}${randomBytes(6).toString('hex')}`
  await sql.unsafe(`create database "${name}" owner "${role}"`)
  try {
    await sql.unsafe(`revoke all on database "${name}" from public`)
    return await work(name)
  } finally {
    await drop(sql, name)
  }
}

/**
 * Puts a database in another one's place, in one transaction, and removes that one. Whoever is there
 * is signed out; who connects meanwhile waits, and is told to do it again.
 */
export async function takePlace(
  open: (database: string) => Promise<Connection>,
  scratch: string,
  role: string,
): Promise<void> {
  const [renaming, clearing] = [await open('postgres'), await open('postgres')]
  const old = `${scratch}_old`
  const ended = new AbortController()
  const leaving = endSessions(clearing, [role, scratch], ended.signal)
  leaving.catch(() => {}) // thrown below, where it is waited for
  try {
    await renaming.sql.unsafe(
      `begin; alter database "${role}" rename to "${old}"; alter database "${scratch}" rename to "${role}"; commit`,
    )
  } finally {
    ended.abort()
    await leaving
    await Promise.all([renaming.close(), clearing.close()])
  }
  const { sql, close } = await open('postgres')
  try {
    await drop(sql, old)
  } finally {
    await close()
  }
}

async function endSessions(
  { sql }: Connection,
  databases: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await sql.unsafe(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname in ('${databases.join("', '")}')`,
    )
    await setTimeout(CLEAR_EVERY_MS, undefined, { signal }).catch(() => {})
  }
}

async function drop(sql: Connection['sql'], name: string): Promise<void> {
  await sql.unsafe(`drop database if exists "${name}" with (force)`)
}
