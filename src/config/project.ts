import { existsSync, statSync } from 'node:fs'
import { extname, join, resolve } from 'node:path'
import type { DnsRecord } from '../dns/record.ts'
import { MokaError } from '../shared/errors.ts'
import type { AwsSettings } from './aws/aws-settings.ts'
import { resolveAws } from './aws/resolve-aws.ts'
import { type EdgeSettings, resolveEdge } from './edge/edge-settings.ts'
import { parseRateLimit, type RateLimit } from './rate-limit.ts'
import type { FunctionConfig, MokaConfig, NotifyConfig } from './schema.ts'
import { type ProjectSite, resolveSite } from './site/site.ts'

/** A project with every default filled in and every path absolute. */
export interface Project {
  root: string
  name: string
  domain?: string
  site: ProjectSite | undefined
  /** Command that has to pass before a push is deployed. */
  test?: string
  functions: ProjectFunction[]
  database: { kind: 'none' } | { kind: 'embedded' } | { kind: 'external'; url: string }
  /** Folder of migrations; it may be absent. */
  migrationsDirectory: string
  dnsRecords: DnsRecord[]
  /** Who is told of deploys. Default: nobody. */
  notify?: ({ url: string } | { secret: string })[]
  keepReleases?: number
  edge: EdgeSettings
  aws: AwsSettings
  /** What the configuration says and has no effect, for people. */
  warnings: string[]
}

export interface ProjectFunction {
  name: string
  runtime: 'python' | 'node'
  entry: string
  handler: string
  routes: string[]
  timeoutMs: number
  memoryMb: number
  environment: Record<string, string>
  /** Names of variables whose values the cloud keeps. */
  secrets?: string[]
  reservedConcurrency?: number
  rateLimit?: RateLimit
}

const DEFAULT_MIGRATIONS_DIRECTORY = 'migrations'
const DEFAULT_TIMEOUT_SECONDS = 10
const DEFAULT_MEMORY_MB = 256

/**
 * Fills in a checked configuration for the project in `root`. Throws when two functions claim a
 * route, or a handler's file is not there.
 */
export function resolveProject(config: MokaConfig, root: string, file: string): Project {
  const functions = Object.entries(config.functions ?? {}).map(([name, settings]) =>
    resolveFunction(name, settings, root, file),
  )
  checkRoutes(functions, file)
  if ((config.dns?.records?.length ?? 0) > 0 && config.domain === undefined) {
    throw new MokaError(
      'CONFIG_INVALID',
      `cannot read ${file}: field "dns.records" needs a domain, and there is none`,
      { hint: "add domain: 'example.org'" },
    )
  }
  const { settings, warnings } = resolveEdge(config, functions, root, file)
  const database = config.database
  const migrations =
    (typeof database === 'object' ? database.migrations : undefined) ?? DEFAULT_MIGRATIONS_DIRECTORY
  const resolved = resolveDatabase(database, existsSync(join(root, migrations)))
  checkEnvironments(functions, resolved.kind !== 'none', file)
  const aws = resolveAws(config, functions, resolved.kind, process.env, file)
  return {
    root,
    name: config.name,
    ...(config.domain === undefined ? {} : { domain: config.domain }),
    site: resolveSite(config.site, root, file),
    ...(config.test === undefined ? {} : { test: config.test }),
    functions,
    database: resolved,
    migrationsDirectory: resolve(root, migrations),
    dnsRecords: config.dns?.records ?? [],
    ...(config.notify === undefined ? {} : { notify: resolveNotify(config.notify) }),
    ...(config.keepReleases === undefined ? {} : { keepReleases: config.keepReleases }),
    edge: settings,
    aws: aws.settings,
    warnings: [...warnings, ...aws.warnings],
  }
}

/** It is checked that each has one of the two. */
function resolveNotify(notify: NonNullable<MokaConfig['notify']>): NonNullable<Project['notify']> {
  return [notify]
    .flat()
    .map(target => (typeof target === 'string' ? { url: target } : { ...target }))
    .map(({ url, secret }: NotifyConfig) => (url === undefined ? { secret: secret! } : { url }))
}

function resolveDatabase(database: MokaConfig['database'], hasMigrations: boolean) {
  if (typeof database === 'object' && database.url !== undefined) {
    return { kind: 'external', url: database.url } as const
  }
  if (database === false || (database === undefined && !hasMigrations)) {
    return { kind: 'none' } as const
  }
  return { kind: 'embedded' } as const
}

function resolveFunction(
  name: string,
  settings: FunctionConfig,
  root: string,
  file: string,
): ProjectFunction {
  const entry = resolve(root, settings.entry)
  if (!existsSync(entry) || !statSync(entry).isFile()) {
    throw new MokaError(
      'CONFIG_ENTRY_MISSING',
      `cannot read ${file}: field "functions.${name}.entry": there is no file "${settings.entry}"`,
      { hint: 'make it, or correct the path; it is relative to the project' },
    )
  }
  const { reservedConcurrency, rateLimit, secrets = [] } = settings
  return {
    name,
    runtime: extname(entry) === '.py' ? 'python' : 'node',
    entry,
    handler: settings.handler ?? 'handler',
    routes: settings.routes ?? [`/api/${name}`, `/api/${name}/*`],
    timeoutMs: (settings.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS) * 1000,
    memoryMb: settings.memoryMb ?? DEFAULT_MEMORY_MB,
    environment: settings.environment ?? {},
    ...(secrets.length === 0 ? {} : { secrets: [...new Set(secrets)].sort() }),
    ...(reservedConcurrency === undefined ? {} : { reservedConcurrency }),
    ...(rateLimit === undefined ? {} : { rateLimit: readRateLimit(rateLimit, name, file) }),
  }
}

function readRateLimit(
  limit: NonNullable<FunctionConfig['rateLimit']>,
  name: string,
  file: string,
): RateLimit {
  try {
    return parseRateLimit(limit)
  } catch (error) {
    if (!(error instanceof MokaError)) throw error
    const { message, hint } = error
    throw new MokaError(
      'CONFIG_INVALID',
      `cannot read ${file}: field "functions.${name}.rateLimit": ${message}`,
      { ...(hint === undefined ? {} : { hint }), cause: error },
    )
  }
}

/** Two values under one name would be a riddle to whoever reads the function. */
function checkEnvironments(
  functions: readonly ProjectFunction[],
  hasDatabase: boolean,
  file: string,
): void {
  const refuse = (field: string, reason: string, hint: string) =>
    new MokaError('CONFIG_INVALID', `cannot read ${file}: field "functions.${field}" ${reason}`, {
      hint,
    })
  for (const { name, environment, secrets = [] } of functions) {
    const twice = secrets.find(secret => environment[secret] !== undefined)
    if (twice !== undefined) {
      const reason = `has "${twice}", which is in its environment as well`
      throw refuse(`${name}.secrets`, reason, 'remove it from the one or the other')
    }
    if (!hasDatabase) continue
    const isSecret = secrets.includes('DATABASE_URL')
    if (!isSecret && environment.DATABASE_URL === undefined) continue
    throw refuse(
      isSecret ? `${name}.secrets` : `${name}.environment.DATABASE_URL`,
      `${isSecret ? 'has "DATABASE_URL", which ' : ''}is set by the project's database`,
      'remove it; to use another database give its address as database.url, or set database: false',
    )
  }
}

function checkRoutes(functions: readonly ProjectFunction[], file: string): void {
  const owners = new Map<string, string>()
  for (const { name, routes } of functions) {
    for (const route of routes) {
      const owner = owners.get(route)
      if (owner !== undefined && owner !== name) {
        throw new MokaError(
          'CONFIG_ROUTE_CLASH',
          `cannot read ${file}: functions "${owner}" and "${name}" both claim the route "${route}"`,
          { hint: `give one of them another path in functions.${name}.routes` },
        )
      }
      owners.set(route, name)
    }
  }
}
