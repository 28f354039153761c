import { MokaError } from '../../shared/errors.ts'

/** What TLS is asked for, in libpq's words. `allow` is read as `prefer`: TLS where the server has it. */
export type SslMode = 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full'

/** A `postgres://` URL taken apart, every part percent-decoded. */
export interface ConnectionTarget {
  /** A name, an address, or for a Unix socket the absolute path of its folder. */
  host: string
  port: number
  user: string
  password: string
  database: string
  sslMode: SslMode
  /** `sslrootcert`: a PEM file, or `system` for the certificates Node ships. */
  sslRootCert: string | undefined
  sslCert: string | undefined
  sslKey: string | undefined
  connectTimeoutSeconds: number
  /** Run-time parameters for the startup packet (`options`, `application_name`, `search_path`, …). */
  parameters: Record<string, string>
}

const SSL_MODES: Record<string, SslMode> = {
  disable: 'disable',
  allow: 'prefer',
  prefer: 'prefer',
  require: 'require',
  'verify-ca': 'verify-ca',
  'verify-full': 'verify-full',
}

// Settings of libpq itself. Sent to the server they would be unknown run-time parameters.
const CLIENT_SIDE = new Set(
  `host hostaddr port user password dbname sslmode sslrootcert sslcert sslkey sslpassword sslcrl
  sslcrldir sslsni sslcompression sslcertmode sslnegotiation ssl_min_protocol_version
  ssl_max_protocol_version channel_binding require_auth gssencmode gsslib krbsrvname passfile
  connect_timeout keepalives keepalives_idle keepalives_interval keepalives_count tcp_user_timeout
  target_session_attrs load_balance_hosts requirepeer service client_encoding fallback_application_name
  schema pgbouncer connection_limit pool_timeout uselibpqcompat`.split(/\s+/),
)

function urlError(problem: string): MokaError {
  return new MokaError('DATABASE_URL_INVALID', `cannot read the database url: ${problem}`, {
    hint: 'postgres://user:password@host:5432/database, with special characters percent-encoded',
  })
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw urlError('a "%" in it is not followed by two hexadecimal digits')
  }
}

function portNumber(text: string): number {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw urlError(`no port "${text}"`)
  return port
}

/**
 * Reads a connection URL as libpq does, TLS settings included; without `sslmode` it is `prefer`.
 * Throws `DATABASE_URL_INVALID`, whose message never repeats the URL: it holds a password.
 */
export function parseConnectionUrl(text: string): ConnectionTarget {
  if (!/^postgres(ql)?:\/\//.test(text)) throw urlError('it does not begin with "postgres://"')
  // `user@/database` is libpq's way of naming the default host; a WHATWG URL has no such form.
  const complete = text.replace(/^([^/]+:\/\/[^/?#]*@)(?=[/?]|$)/, '$1localhost')
  if (!URL.canParse(complete)) throw urlError('it is not a URL, or names several hosts')
  const url = new URL(complete)
  const query = (name: string): string | undefined => url.searchParams.get(name) ?? undefined
  const rootCert = query('sslrootcert')
  const wanted = query('sslmode') ?? (rootCert === 'system' ? 'verify-full' : 'prefer')
  const sslMode = SSL_MODES[wanted]
  if (sslMode === undefined) throw urlError(`no sslmode "${wanted}"`)
  const user = query('user') ?? decode(url.username)
  if (user === '') throw urlError('it names no user')
  const timeout = Number(query('connect_timeout') ?? '10')
  const parameters: Record<string, string> = {}
  for (const [name, value] of url.searchParams) {
    if (!CLIENT_SIDE.has(name)) parameters[name] = value
  }
  return {
    host: (query('host') ?? decode(url.hostname).replace(/^\[(.*)\]$/, '$1')) || 'localhost',
    port: portNumber(query('port') ?? (url.port || '5432')),
    user,
    password: query('password') ?? decode(url.password),
    database: query('dbname') ?? (decode(url.pathname.slice(1)) || user),
    // With a root certificate at hand libpq verifies the chain under `require`, too.
    sslMode: sslMode === 'require' && rootCert !== undefined ? 'verify-ca' : sslMode,
    sslRootCert: rootCert,
    sslCert: query('sslcert'),
    sslKey: query('sslkey'),
    connectTimeoutSeconds: timeout > 0 ? timeout : 10,
    parameters,
  }
}

/** `host:port`, or the socket's path: the way errors name a server. */
export function describeServer(target: Pick<ConnectionTarget, 'host' | 'port'>): string {
  if (target.host.startsWith('/')) return `${target.host}/.s.PGSQL.${target.port}`
  return target.host.includes(':')
    ? `[${target.host}]:${target.port}`
    : `${target.host}:${target.port}`
}

export function formatConnectionUrl(
  target: Pick<ConnectionTarget, 'host' | 'port' | 'user' | 'password' | 'database'>,
): string {
  const credentials = `${encodeURIComponent(target.user)}:${encodeURIComponent(target.password)}`
  const host = target.host.includes(':') ? `[${target.host}]` : encodeURIComponent(target.host)
  return `postgres://${credentials}@${host}:${target.port}/${encodeURIComponent(target.database)}`
}
