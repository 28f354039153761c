import type { Socket } from 'node:net'
import type postgres from 'postgres'
import { MokaError } from '../../shared/errors.ts'
import { type ConnectionTarget, parseConnectionUrl } from './connection-url.ts'
import { openSocket, unreachable } from './open-socket.ts'

/** One session with a server: what is set in it stays, and it is never replaced by another. */
export interface Connection {
  target: ConnectionTarget
  sql: postgres.Sql
  close(): Promise<void>
}

/**
 * Opens one connection and signs in. Throws `DATABASE_UNREACHABLE`, `DATABASE_URL_INVALID`, or
 * `DATABASE_REFUSED` when the server answers but does not let this user into this database.
 */
export async function connect(url: string | ConnectionTarget): Promise<Connection> {
  const target = typeof url === 'string' ? parseConnectionUrl(url) : url
  const { default: createClient } = await import('postgres')
  let transport: Socket | undefined = await openSocket(target)
  const closed = new Promise<never>((_, reject) => {
    transport?.once('close', () => reject(unreachable(target, { code: 'ECONNRESET' })))
  })
  closed.catch(() => {})
  const sql = createClient({
    host: target.host,
    port: target.port,
    user: target.user,
    // SASLprep's normalization (RFC 4013), which SCRAM asks for and the library leaves out. A
    // password that it changes then fails with md5 and cleartext: SCRAM is the default since 14.
    password: target.password.normalize('NFKC'),
    database: target.database,
    ssl: false, // the transport has done it
    max: 1,
    max_lifetime: null,
    idle_timeout: undefined,
    connect_timeout: target.connectTimeoutSeconds,
    fetch_types: false,
    prepare: false,
    onnotice: () => {},
    connection: { application_name: 'mokapot', ...target.parameters },
    // A second call would be a reconnection: a new session without our locks.
    socket: () => {
      const socket = transport
      transport = undefined
      if (socket === undefined) throw unreachable(target, { code: 'ECONNRESET' })
      return socket
    },
  } as postgres.Options<Record<string, never>>)
  try {
    await Promise.race([liftTimeouts(sql), closed])
  } catch (error) {
    await sql.end({ timeout: 0 })
    throw error instanceof MokaError ? error : refused(target, error)
  }
  return { target, sql, close: () => sql.end({ timeout: 1 }) }
}

/**
 * Time-outs that a role has given itself (`alter role … set statement_timeout`) are meant for its
 * queries, and would end a migration, or the wait for another's. After `reset all` they are back.
 */
export async function liftTimeouts(sql: postgres.Sql): Promise<void> {
  // First and alone, lest the next is ended by it.
  await sql.unsafe('set statement_timeout = 0')
  await sql.unsafe(
    `select set_config(name, '0', false) from pg_catalog.pg_settings where name in
       ('lock_timeout', 'transaction_timeout', 'idle_session_timeout',
        'idle_in_transaction_session_timeout')`,
  )
}

function refused(target: ConnectionTarget, error: unknown): MokaError {
  const state = sqlState(error)
  if (state === undefined) return unreachable(target, error)
  const message = error instanceof Error ? error.message : String(error)
  return new MokaError(
    'DATABASE_REFUSED',
    `cannot sign in to database "${target.database}" at ${target.host}:${target.port} as "${target.user}": ${message}`,
    { cause: error },
  )
}

/** The five-character SQLSTATE of an error that the server sent, or undefined. */
export function sqlState(error: unknown): string | undefined {
  const { code, severity } = (error ?? {}) as { code?: unknown; severity?: unknown }
  return typeof code === 'string' && severity !== undefined ? code : undefined
}
