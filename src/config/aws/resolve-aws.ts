import { MokaError } from '../../shared/errors.ts'
import { nearestName } from '../hints.ts'
import type { MokaConfig } from '../schema.ts'
import type { AwsSettings } from './aws-settings.ts'

const DEFAULT_REGION = 'us-east-1'
const DEFAULT_RETENTION_DAYS = 30

type Functions = readonly { name: string; rateLimit?: unknown }[]

/**
 * Fills in what a checked configuration says of AWS. Throws `CONFIG_INVALID` where a function is
 * named that there is none of, or a field needs a domain; `warnings` are of what has no effect.
 */
export function resolveAws(
  config: MokaConfig,
  functions: Functions,
  database: 'none' | 'embedded' | 'external',
  environment: Readonly<Record<string, string | undefined>>,
  file: string,
): { settings: AwsSettings; warnings: string[] } {
  const { aws = {}, domain } = config
  const fail = (problem: string, hint: string): never => {
    throw new MokaError('CONFIG_INVALID', `cannot read ${file}: field "aws.${problem}`, { hint })
  }
  for (const field of ['hostedZoneId', 'dnssec'] as const) {
    if (domain !== undefined || aws[field] === undefined || aws[field] === false) continue
    fail(`${field}" needs a domain, and there is none`, "add domain: 'example.org'")
  }
  for (const name of aws.functionUrls ?? []) checkFunctionUrl(name, functions, fail)
  const [owner, repository] = aws.github?.repository.split('/') ?? []
  const { hostedZoneId, budget } = aws
  return {
    settings: {
      // As AWS's own tools look for it. What is no region is told when somebody goes to AWS with it.
      region:
        aws.region ?? (environment.AWS_REGION || environment.AWS_DEFAULT_REGION || DEFAULT_REGION),
      database: databaseOf(database, aws.database),
      ...(hostedZoneId !== undefined && { hostedZoneId }),
      hasDnssec: aws.dnssec ?? false,
      mode: aws.mode ?? 'releases',
      functionUrls: [...new Set(aws.functionUrls)],
      ...(owner !== undefined &&
        repository !== undefined && {
          github: { owner, repository, branch: aws.github?.branch ?? 'main' },
        }),
      ...(budget !== undefined && { budget }),
      logRetentionDays: aws.logRetentionDays ?? DEFAULT_RETENTION_DAYS,
      tags: aws.tags ?? {},
    },
    warnings:
      aws.database !== undefined && database === 'none'
        ? ['field "aws.database" has no effect: the project has no database']
        : [],
  }
}

function databaseOf(
  database: 'none' | 'embedded' | 'external',
  chosen: 'rds' | 'dsql' | undefined,
): AwsSettings['database'] {
  if (database === 'embedded') return chosen ?? 'rds'
  return database === 'external' ? 'url' : 'none'
}

function checkFunctionUrl(
  name: string,
  functions: Functions,
  fail: (problem: string, hint: string) => never,
): void {
  const found = functions.find(other => other.name === name)
  const names = functions.map(other => other.name)
  if (found === undefined) {
    const near = nearestName(name, names)
    const known = names.length === 0 ? 'there are no functions' : `known are: ${names.join(', ')}`
    fail(
      `functionUrls" names function "${name}", and there is none`,
      near === undefined ? known : `"${near}"? ${known}`,
    )
  } else if (found.rateLimit !== undefined) {
    fail(
      `functionUrls" names function "${name}", which has a rateLimit, and function URLs keep none`,
      'remove the one or the other; the HTTP API keeps limits',
    )
  }
}
