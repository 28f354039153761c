import {
  type AwsKeys,
  SIGNING_ALGORITHM,
  sha256,
  signatureOf,
  signingScope,
  uriEncode,
} from './signature.ts'

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
  const signing = signingScope(service, region, nowMs)
  const parameters: Record<string, string> = {
    ...(isRds
      ? { Action: 'connect', DBUser: request.user }
      : { Action: request.user === 'admin' ? 'DbConnectAdmin' : 'DbConnect' }),
    'X-Amz-Algorithm': SIGNING_ALGORITHM,
    'X-Amz-Credential': `${keys.accessKeyId}/${signing.scope}`,
    'X-Amz-Date': signing.time,
    'X-Amz-Expires': String(LIFETIME_SECONDS),
    ...(keys.sessionToken === undefined ? {} : { 'X-Amz-Security-Token': keys.sessionToken }),
    'X-Amz-SignedHeaders': 'host',
  }
  const query = Object.entries(parameters)
    .map(([name, value]) => `${uriEncode(name)}=${uriEncode(value)}`)
    .sort()
    .join('&')
  const canonical = ['GET', '/', query, `host:${host}`, '', 'host', sha256('')].join('\n')
  const signature = signatureOf(canonical, signing, keys)
  return `${host}/?${query}&X-Amz-Signature=${signature}`
}
