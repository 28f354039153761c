import {
  type ConnectionTarget,
  parseConnectionUrl,
} from '../../../../../database/client/connection-url.ts'
import { databaseToken } from './iam-token.ts'
import { keysOfEnvironment } from './signature.ts'

/** Variable of a function whose database takes IAM tokens for passwords: which service it is of. */
export const IAM_VARIABLE = 'MOKA_DATABASE_IAM'

/**
 * Where `DATABASE_URL` leads, with a password that is good for 15 minutes: a token of IAM where the
 * environment says that the database takes one, else the URL's own. `other` has another user or another
 * database than the URL.
 */
export function signedTarget(
  environment: NodeJS.ProcessEnv,
  nowMs: number,
  { user, database }: { user?: string | undefined; database?: string | undefined } = {},
): ConnectionTarget {
  const target = parseConnectionUrl(environment.DATABASE_URL ?? '')
  if (user !== undefined) target.user = user
  if (database !== undefined) target.database = database
  const kind = environment[IAM_VARIABLE]
  if (kind !== 'rds' && kind !== 'dsql') return target
  const { host, port } = target
  const keys = keysOfEnvironment(environment)
  const region = environment.AWS_REGION ?? ''
  const password = databaseToken({ kind, region, host, port, user: target.user, keys, nowMs })
  return { ...target, password }
}
