import { createHash, createHmac } from 'node:crypto'

/** Keys of whoever signs, as they are in the environment of a function on Lambda. */
export interface AwsKeys {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
}

/** A password for a database: of a user of RDS, or of a role of Aurora DSQL. */
export type TokenRequest = { region: string; host: string; keys: AwsKeys; nowMs: number } & (
  | { kind: 'rds'; port: number; user: string }
  /** DSQL asks for another action for its user `admin`. */
  | { kind: 'dsql'; user: string }
)

/** The longest that RDS takes; a session that has begun goes on. */
const LIFETIME_SECONDS = 15 * 60

/**
 * A password that IAM checks: a request that is signed in its query (Signature Version 4) and never
 * sent, without its scheme. Good for 15 minutes. Nobody is asked for it.
 */
export function databaseToken(request: TokenRequest): string {
  const { region, keys, nowMs } = request
  const isRds = request.kind === 'rds'
  const service = isRds ? 'rds-db' : 'dsql'
  const host = isRds ? `${request.host}:${request.port}` : request.host
  const time = new Date(nowMs).toISOString().replace(/[-:]|\.\d{3}/g, '')
  const scope = `${time.slice(0, 8)}/${region}/${service}/aws4_request`
  const parameters: Record<string, string> = {
    ...(isRds
      ? { Action: 'connect', DBUser: request.user }
      : { Action: request.user === 'admin' ? 'DbConnectAdmin' : 'DbConnect' }),
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${keys.accessKeyId}/${scope}`,
    'X-Amz-Date': time,
    'X-Amz-Expires': String(LIFETIME_SECONDS),
    ...(keys.sessionToken === undefined ? {} : { 'X-Amz-Security-Token': keys.sessionToken }),
    'X-Amz-SignedHeaders': 'host',
  }
  const query = Object.entries(parameters)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&')
  const canonical = ['GET', '/', query, `host:${host}`, '', 'host', sha256('')].join('\n')
  const text = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')
  const key = scope.split('/').reduce((secret: string | Buffer, part) => {
    return createHmac('sha256', secret).update(part).digest()
  }, `AWS4${keys.secretAccessKey}`)
  const signature = createHmac('sha256', key).update(text).digest('hex')
  return `${host}/?${query}&X-Amz-Signature=${signature}`
}

/** The keys that Lambda gives a function. */
export function keysOfEnvironment(environment: NodeJS.ProcessEnv): AwsKeys {
  const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '', AWS_SESSION_TOKEN } = environment
  return {
    accessKeyId: AWS_ACCESS_KEY_ID,
    secretAccessKey: AWS_SECRET_ACCESS_KEY,
    ...(AWS_SESSION_TOKEN === undefined ? {} : { sessionToken: AWS_SESSION_TOKEN }),
  }
}

/** As RFC 3986 does; what `encodeURIComponent` leaves besides is escaped, too. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
