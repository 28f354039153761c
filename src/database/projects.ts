import { type Connection, connect, sqlState } from './client/connect.ts'
import { type Credentials, fingerprint, roleOf, SUPERUSER } from './credentials.ts'

/**
 * Of the server's 40 connections 3 are the superuser's alone: this leaves 7 to other projects. One
 * for each execution environment that a project can have.
 */
const CONNECTION_LIMIT = 30
/**
 * Of a preview's. And all of them together leave 22 to the projects themselves, which alone may use
 * the server's `reserved_connections`.
 */
const PREVIEW_CONNECTION_LIMIT = 6

/** Databases beside those of projects have names that begin with a digit; no project's does. */
function isPreview(project: string): boolean {
  return /^\d/.test(project)
}

function limitOf(project: string): number {
  return isPreview(project) ? PREVIEW_CONNECTION_LIMIT : CONNECTION_LIMIT
}

interface ProjectState {
  role: string
  password: string
  hasRole: boolean
  hasPassword: boolean
  limit: number
  hasLimit: boolean
  hasReserve: boolean
  hasDatabase: boolean
  isPrivate: boolean
}

/**
 * Makes what is missing of the roles and databases of projects. Each role owns its database, is
 * nothing else, and nobody else may connect there. Safe to repeat, also after a kill in between.
 */
export async function makeProjects(
  port: number,
  credentials: Credentials,
  projects: readonly string[],
): Promise<void> {
  const connection = await connectAsSuperuser(port, credentials)
  try {
    for (const state of await inspect(connection, credentials, projects)) {
      await complete(connection, state)
    }
  } finally {
    await connection.close()
  }
}

export function connectAsSuperuser(
  port: number,
  credentials: Credentials,
  database = 'postgres',
): Promise<Connection> {
  return connect({
    host: '127.0.0.1',
    port,
    user: SUPERUSER,
    password: credentials.superuserPassword(),
    database,
    sslMode: 'disable',
    sslRootCert: undefined,
    sslCert: undefined,
    sslKey: undefined,
    connectTimeoutSeconds: 30,
    parameters: {},
  })
}

async function inspect(
  { sql }: Connection,
  credentials: Credentials,
  projects: readonly string[],
): Promise<ProjectState[]> {
  const roles = await sql.unsafe<
    { name: string; comment: string | null; connections: number; has_reserve: boolean }[]
  >(
    `select rolname as name, rolconnlimit as connections,
       pg_has_role(oid, 'pg_use_reserved_connections', 'member') as has_reserve,
       shobj_description(oid, 'pg_authid') as comment
     from pg_roles`,
  )
  const databases = await sql.unsafe<{ name: string; is_open: boolean }[]>(
    `select datname as name, has_database_privilege('public', oid, 'connect') as is_open
     from pg_database`,
  )
  const comments = new Map(roles.map(role => [role.name, role.comment]))
  const limits = new Map(roles.map(role => [role.name, role.connections]))
  const reserves = new Set(roles.filter(role => role.has_reserve).map(role => role.name))
  const isOpen = new Map(databases.map(database => [database.name, database.is_open]))
  return projects.map(project => {
    const role = roleOf(project)
    const password = credentials.projectPassword(project)
    return {
      role,
      password,
      hasRole: comments.has(role),
      hasPassword: comments.get(role) === fingerprint(password),
      limit: limitOf(project),
      hasLimit: limits.get(role) === limitOf(project),
      hasReserve: isPreview(project) || reserves.has(role),
      hasDatabase: isOpen.has(role),
      isPrivate: isOpen.get(role) === false,
    }
  })
}

/** Names and passwords come from {@link roleOf} and base64url: neither holds a quote. */
async function complete({ sql }: Connection, state: ProjectState): Promise<void> {
  const { role, password } = state
  if (!state.hasRole || !state.hasPassword) {
    const attributes = `login nosuperuser nocreatedb nocreaterole noreplication password '${password}'`
    await sql.unsafe(
      `${state.hasRole ? 'alter' : 'create'} role "${role}" ${attributes};
       comment on role "${role}" is '${fingerprint(password)}'`,
    )
  }
  if (!state.hasLimit) {
    await sql.unsafe(`alter role "${role}" connection limit ${state.limit}`)
  }
  if (!state.hasReserve) await sql.unsafe(`grant pg_use_reserved_connections to "${role}"`)
  if (!state.hasDatabase) {
    await sql.unsafe(`create database "${role}" owner "${role}"`)
  }
  if (!state.isPrivate) {
    await sql.unsafe(`revoke all on database "${role}", postgres, template1 from public`)
  }
}

/** True when the server does not know the superuser's password: the credentials were remade. */
export function isPasswordRefused(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined
  return sqlState(cause) === '28P01'
}
