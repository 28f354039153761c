import type { AwsSettings } from '../../../../../config/aws/aws-settings.ts'
import { isReservedVariable } from '../../../../../config/environment-names.ts'
import type { ReleaseFunction } from '../../../../../releases/manifest.ts'
import { MokaError } from '../../../../../shared/errors.ts'
import {
  DATABASE_MASTER,
  DATABASE_NAME,
  DATABASE_USER,
  type SiteOutputs,
} from '../../stack/names.ts'
import { RDS_ROOT_PATH } from '../archive/aws-archive.ts'
import { IAM_VARIABLE } from '../lambda/sign-in.ts'

/** Lambda's limit of all variables of a function together. */
const MAX_BYTES = 4096

/** Where the database of a project is, and how one comes in. */
export type DatabaseAccess =
  | { kind: 'none' }
  /** `database`: of a preview, in place of the live one. RDS alone has more than one. */
  | { kind: 'rds' | 'dsql'; host: string; database?: string }
  | { kind: 'url'; url: string }

/** Throws `AWS_DATABASE_MISSING` where the stack has none yet. */
export function databaseAccess(
  project: string,
  { database }: Pick<AwsSettings, 'database'>,
  outputs: Pick<SiteOutputs, 'DatabaseHost'>,
  /** Of a server of the project's own. */
  url?: string,
): DatabaseAccess {
  if (database === 'none') return { kind: 'none' }
  if (database === 'url' && url !== undefined) return { kind: 'url', url }
  const host = outputs.DatabaseHost
  if (database !== 'url' && host !== undefined) return { kind: database, host }
  throw new MokaError(
    'AWS_DATABASE_MISSING',
    database === 'url'
      ? `cannot find the database of project "${project}": database.url is not known here`
      : `cannot find the database of project "${project}": its stack has none yet`,
    { hint: 'moka deploy --to aws' },
  )
}

/**
 * Address of a database that takes IAM tokens: it has no password, which whoever connects makes. The
 * server is verified by RDS's own authority, and by those of the system at Aurora DSQL.
 */
export function iamDatabaseUrl(
  { kind, host, database = DATABASE_NAME }: Extract<DatabaseAccess, { host: string }>,
  who: 'functions' | 'master',
): string {
  if (kind === 'dsql') {
    const user = who === 'master' ? 'admin' : DATABASE_USER
    return `postgres://${user}@${host}:5432/postgres?sslmode=verify-full&sslrootcert=system`
  }
  const user = who === 'master' ? DATABASE_MASTER : DATABASE_USER
  return `postgres://${user}@${host}:5432/${database}?sslmode=verify-full&sslrootcert=${RDS_ROOT_PATH}`
}

/**
 * The variables of a function on Lambda: its own, its secrets, and where the database is. `secrets`
 * has the values that are known. Throws `AWS_SECRET_MISSING`, `AWS_ENVIRONMENT_RESERVED` and
 * `AWS_ENVIRONMENT_TOO_LARGE` before Lambda refuses it in other words.
 */
export function functionEnvironment(
  name: string,
  settings: Pick<ReleaseFunction, 'environment' | 'secrets'>,
  secrets: ReadonlyMap<string, string>,
  database: DatabaseAccess,
): Record<string, string> {
  const variables: Record<string, string> = {
    ...databaseVariables(database),
    ...settings.environment,
  }
  for (const secret of settings.secrets ?? []) {
    const value = secrets.get(secret)
    if (value === undefined) throw missingSecret(name, secret)
    variables[secret] = value
  }
  for (const variable of Object.keys(variables)) checkName(name, variable)
  checkSize(name, variables, settings.secrets ?? [])
  return variables
}

function databaseVariables(database: DatabaseAccess): Record<string, string> {
  if (database.kind === 'none') return {}
  if (database.kind === 'url') return { DATABASE_URL: database.url }
  return { DATABASE_URL: iamDatabaseUrl(database, 'functions'), [IAM_VARIABLE]: database.kind }
}

export function missingSecret(name: string, secret: string): MokaError {
  return new MokaError(
    'AWS_SECRET_MISSING',
    `cannot publish function "${name}": its secret "${secret}" is not set on AWS`,
    { hint: `moka secrets set ${secret} --to aws` },
  )
}

function checkName(name: string, variable: string): void {
  const reason = isReservedVariable(variable)
    ? 'Lambda keeps that name for a value of its own'
    : /^[A-Za-z]\w+$/.test(variable)
      ? undefined
      : 'Lambda wants a letter first, then letters, digits or "_", and two characters at least'
  if (reason === undefined) return
  throw new MokaError(
    'AWS_ENVIRONMENT_RESERVED',
    `cannot publish function "${name}": its variable "${variable}" cannot be set on Lambda: ${reason}`,
    { hint: `rename it in functions.${name} of moka.config.ts` },
  )
}

/** The sizes are told and the values are not. */
function checkSize(
  name: string,
  variables: Readonly<Record<string, string>>,
  secrets: readonly string[],
): void {
  const sizes = Object.entries(variables)
    .map(([variable, value]) => ({
      variable,
      sizeBytes: Buffer.byteLength(variable) + Buffer.byteLength(value),
    }))
    .sort((a, b) => b.sizeBytes - a.sizeBytes)
  const sum = sizes.reduce((total, { sizeBytes }) => total + sizeBytes, 0)
  if (sum <= MAX_BYTES) return
  const largest = sizes
    .slice(0, 3)
    .map(({ variable, sizeBytes }) => {
      const kind = secrets.includes(variable) ? 'secret ' : ''
      return `${kind}${variable} ${sizeBytes}`
    })
    .join(', ')
  throw new MokaError(
    'AWS_ENVIRONMENT_TOO_LARGE',
    `cannot publish function "${name}": its variables have ${sum} bytes, and Lambda takes ${MAX_BYTES} (${largest})`,
    { hint: 'put what is large into a file beside the function, which is packed with it' },
  )
}
