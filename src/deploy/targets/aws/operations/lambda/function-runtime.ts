import {
  formatConnectionUrl,
  parseConnectionUrl,
} from '../../../../../database/client/connection-url.ts'
import { openDatabaseProxy } from './database-proxy.ts'
import { IAM_VARIABLE, signedTarget } from './sign-in.ts'

// Goes into the archive of every Node function on Lambda, whose entry module awaits it.

type Handler = (event: unknown, context: unknown, callback?: unknown) => unknown

/** Lambda's mark of handlers that write their answer piece by piece. */
const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming')

/**
 * Makes `DATABASE_URL` one that any driver can use as it is, and that stays good: it leads to a door
 * in this process, which signs in by IAM. Nothing where the database takes passwords.
 */
export async function prepareEnvironment(): Promise<void> {
  const { env } = process
  if (env[IAM_VARIABLE] === undefined) return
  const original = { ...env }
  const { user, database } = parseConnectionUrl(env.DATABASE_URL ?? '')
  const { port } = await openDatabaseProxy(() => signedTarget(original, Date.now()))
  // Any password will do; drivers that find none ask the environment or a file for one.
  const url = formatConnectionUrl({ host: '127.0.0.1', port, user, password: 'iam', database })
  env.DATABASE_URL = `${url}?sslmode=disable`
}

/**
 * The function's handler, as Lambda's newest Node takes it: one that answers by a callback is made
 * to answer by a promise.
 */
export function adaptHandler(module: Record<string, unknown>, name: string): unknown {
  const found = module[name] ?? (module.default as Record<string, unknown> | undefined)?.[name]
  if (typeof found !== 'function' || found.length < 3 || STREAMING in found) return found
  const handler = found as Handler
  return (event: unknown, context: unknown) =>
    new Promise((resolve, reject) => {
      const returned = handler(event, context, (error: unknown, result: unknown) =>
        error === undefined || error === null ? resolve(result) : reject(error),
      )
      if (typeof (returned as Promise<unknown> | undefined)?.then === 'function') {
        ;(returned as Promise<unknown>).then(resolve, reject)
      }
    })
}
