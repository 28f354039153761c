import * as v from 'valibot'
import { MokaError } from '../shared/errors.ts'
import { AWS_FIELDS, awsSchema } from './aws/validate-aws.ts'
import { EDGE_FIELDS, edgeEntries, FOREIGN_FIELDS } from './edge/validate-edge.ts'
import { isReservedVariable } from './environment-names.ts'
import { hasParameter, nearestName, suggestValue } from './hints.ts'
import type { MokaConfig } from './schema.ts'
import { integer, text } from './validators.ts'

const DNS_TYPES = ['A', 'AAAA', 'CNAME', 'MX', 'TXT', 'CAA', 'SRV', 'NS'] as const
const hostLabel = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'

const variableName = v.pipe(
  text,
  v.regex(/^[A-Za-z_]\w*$/, 'is not the name of an environment variable'),
)
const secretNames = v.array(
  v.pipe(
    variableName,
    v.check(name => !isReservedVariable(name), 'is a name that Lambda keeps for itself'),
  ),
  'is not a list of names',
)

const functionSchema = v.strictObject({
  entry: v.pipe(
    text,
    v.regex(/\.(?:py|[cm]?[jt]s)$/, 'does not end in .py, .ts, .mts, .cts, .js, .mjs or .cjs'),
  ),
  handler: v.optional(
    v.pipe(text, v.regex(/^[A-Za-z_$][\w$]*$/, 'is not the name of an exported function')),
  ),
  routes: v.optional(
    v.array(
      v.pipe(
        text,
        v.regex(
          /^\/(?:[^*?#\\\s]*|(?:[^*?#\\\s]*\/)?\*)$/,
          'is not a path such as "/api/visits" or "/api/shop/*"',
        ),
        v.check(route => !hasParameter(route), 'has a parameter, and routes have none'),
      ),
      'is not a list of paths',
    ),
  ),
  rateLimit: v.optional(
    v.union(
      [text, v.strictObject({ limit: text, per: v.optional(v.picklist(['client', 'function'])) })],
      'is not a limit such as "5/minute", nor { limit, per: "client" | "function" }',
    ),
  ),
  reservedConcurrency: v.optional(integer(0, 10_000)),
  timeoutSeconds: v.optional(integer(1, 900)),
  memoryMb: v.optional(integer(128, 10_240)),
  environment: v.optional(
    v.record(
      v.pipe(
        variableName,
        v.check(name => !isReservedVariable(name), 'is a name that Lambda keeps for itself'),
      ),
      v.string('is not a text'),
    ),
  ),
  secrets: v.optional(secretNames),
})

const databaseSchema = v.strictObject({
  url: v.optional(
    v.pipe(
      text,
      v.regex(
        /^postgres(ql)?:\/\//,
        'does not begin with postgres://, as a PostgreSQL address does',
      ),
    ),
  ),
  migrations: v.optional(text),
})

const buildSchema = v.strictObject({
  command: v.optional(text),
  environment: v.optional(v.array(variableName, 'is not a list of names')),
  secrets: v.optional(secretNames),
  timeoutMinutes: v.optional(integer(1, 24 * 60)),
  memoryMb: v.optional(integer(256, 1024 * 1024)),
})

const recordSchema = v.strictObject({
  name: text,
  type: v.picklist(DNS_TYPES, `is not one of ${DNS_TYPES.join(', ')}`),
  value: v.union([text, v.array(text)], 'is not a text, nor a list of texts'),
  ttlSeconds: v.optional(integer(0, 2_147_483_647)),
})

const notifyUrl = v.pipe(
  text,
  v.regex(
    /^https?:\/\/[^\s/@]+(?:\/[^\s@]*)?$/,
    'is not an address such as "https://example.org/hook"',
  ),
)
const notifyTarget = v.union(
  [notifyUrl, v.strictObject({ url: notifyUrl }), v.strictObject({ secret: variableName })],
  'is not an address, nor { secret: "NAME" }',
)

const configSchema = v.strictObject({
  name: v.pipe(
    text,
    v.regex(
      /^[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?$/,
      'is not 1 to 40 of a-z, 0-9 and "-", beginning with a letter and not ending with "-"',
    ),
  ),
  domain: v.optional(
    v.pipe(
      text,
      v.regex(
        new RegExp(`^(?=.{1,253}$)(?:${hostLabel}\\.)+${hostLabel}$`),
        'is not a domain name such as "example.org", in lower case (write others in punycode)',
      ),
    ),
  ),
  site: v.optional(
    v.strictObject({
      directory: v.optional(text),
      build: v.optional(
        v.union(
          [text, v.literal(false), buildSchema],
          'is not a command, nor false, nor { command, environment, secrets, timeoutMinutes, memoryMb }',
        ),
      ),
    }),
  ),
  test: v.optional(text),
  keepReleases: v.optional(integer(1, 1000)),
  functions: v.optional(
    v.record(
      v.pipe(
        text,
        v.regex(/^[A-Za-z][\w-]{0,63}$/, 'is not a function name: letters, digits, "-", "_"'),
      ),
      functionSchema,
    ),
  ),
  database: v.optional(v.union([v.boolean(), databaseSchema], 'is not true, false or a database')),
  notify: v.optional(
    v.union(
      [notifyTarget, v.pipe(v.array(notifyTarget), v.maxLength(10, 'has more than 10 addresses'))],
      'is not an address, nor { secret: "NAME" }, nor a list of such',
    ),
  ),
  dns: v.optional(v.strictObject({ records: v.optional(v.array(recordSchema)) })),
  aws: v.optional(awsSchema),
  ...edgeEntries,
})

/**
 * Checks what a configuration file exported. Throws `CONFIG_INVALID` naming the file, the field
 * and what is wrong with it.
 */
export function validateConfig(input: unknown, file: string): MokaConfig {
  if (typeof input !== 'object' || input === null) {
    throw new MokaError('CONFIG_INVALID', `cannot read ${file}: it has no default export`, {
      hint: "export default defineConfig({ name: 'my-site' })",
    })
  }
  const result = v.safeParse(configSchema, input)
  if (!result.success) throw explain(deepest(result.issues), file)
  const { database } = result.output
  if (typeof database === 'object' && 'url' in database && database.url === undefined) {
    throw new MokaError(
      'CONFIG_INVALID',
      `cannot read ${file}: field "database.url" is undefined`,
      {
        hint: 'set the environment variable it comes from, or remove the field to use the embedded database',
      },
    )
  }
  return result.output as MokaConfig
}

/** The issue that says most: an unknown field inside a union is better news than "no variant fits". */
function deepest(issues: readonly v.BaseIssue<unknown>[]): v.BaseIssue<unknown> {
  const issue = misspelled(issues)
  const inner = issue.issues?.filter(candidate => (candidate.path?.length ?? 0) > 0)
  return inner !== undefined && inner.length > 0
    ? { ...inner[0]!, path: [...(issue.path ?? []), ...(inner[0]!.path ?? [])] as never }
    : issue
}

/** The first issue; or what was written in place of the field that it misses. */
function misspelled(issues: readonly v.BaseIssue<unknown>[]): v.BaseIssue<unknown> {
  const issue = issues[0]!
  if (issue.type !== 'strict_object' || issue.received !== 'undefined') return issue
  const parent = issue.path?.at(-1)?.input
  const isBeside = (other: v.BaseIssue<unknown>) =>
    other.expected === 'never' && other.path?.at(-1)?.input === parent
  return issues.find(isBeside) ?? issue
}

function explain(issue: v.BaseIssue<unknown>, file: string): MokaError {
  const field = (issue.path ?? []).map(item => String(item.key)).join('.')
  if (issue.type === 'strict_object') {
    if (issue.expected === 'never') {
      const unknown = String(issue.path?.at(-1)?.key ?? '')
      const parent = issue.path?.at(-1)?.input
      if (Array.isArray(parent)) {
        const list = field.slice(0, field.lastIndexOf('.'))
        return notAnObject(list, parent, file)
      }
      const near = nearestField(field, unknown)
      return new MokaError('CONFIG_INVALID', `cannot read ${file}: there is no field "${field}"`, {
        hint: near === undefined ? 'docs/reference/config.md lists the fields' : `"${near}"?`,
      })
    }
    if (issue.received === 'undefined') {
      const hint = suggestValue(field, undefined)
      return new MokaError('CONFIG_INVALID', `cannot read ${file}: field "${field}" is missing`, {
        ...(hint === undefined ? {} : { hint }),
      })
    }
    return notAnObject(field, issue.input, file)
  }
  const hint = hintFor(issue, field)
  return new MokaError(
    'CONFIG_INVALID',
    `cannot read ${file}: field "${field}" ${shown(issue.input)}${issue.message}`,
    hint === undefined ? {} : { hint },
  )
}

function notAnObject(field: string, input: unknown, file: string): MokaError {
  const hint = suggestValue(field, input)
  const message = `cannot read ${file}: field "${field}" is not an object`
  return new MokaError('CONFIG_INVALID', message, hint === undefined ? {} : { hint })
}

function hintFor(issue: v.BaseIssue<unknown>, field: string): string | undefined {
  if (issue.type !== 'check') return suggestValue(field, issue.input, issue.type)
  if (typeof issue.input !== 'string') return undefined // out of its range, which is told
  return /\.(?:environment|secrets)\./.test(field)
    ? 'give it another name; the cloud sets that one itself'
    : suggestValue(field, issue.input)
}

function shown(input: unknown): string {
  if (typeof input === 'string' && /^[^\0-\x1f\x7f]{0,60}$/.test(input)) return `"${input}" `
  return typeof input === 'number' || typeof input === 'boolean' ? `${input} ` : ''
}

const FIELDS: readonly string[] = [
  ...Object.keys(configSchema.entries),
  ...Object.keys(functionSchema.entries),
  ...Object.keys(databaseSchema.entries),
  ...Object.keys(recordSchema.entries),
  'directory',
  'build',
  'records',
  'limit',
  'per',
]

/** The field that an unknown one was probably meant to be; other words only where they belong. */
function nearestField(field: string, unknown: string): string | undefined {
  if (/^aws\./.test(field)) return nearestName(unknown, AWS_FIELDS)
  if (!/^(?:origins|behaviors|hsts)(?:\.|$)/.test(field)) {
    return nearestName(unknown, FIELDS) ?? nearestName(unknown, EDGE_FIELDS)
  }
  const plain = `${unknown.charAt(0).toLowerCase()}${unknown.slice(1)}`
  return FOREIGN_FIELDS[plain] ?? nearestName(unknown, EDGE_FIELDS)
}
