import * as v from 'valibot'
import { integer, oneOf, text } from '../validators.ts'

/** Days that CloudWatch Logs can keep a log group (PutRetentionPolicy). */
const RETENTION_DAYS: readonly number[] = [
  ...[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731],
  ...[1096, 1827, 2192, 2557, 2922, 3288, 3653],
]

/** A resource has 50 tags at most, and ours are among them. */
const MAX_TAGS = 40

/** What every service takes in a tag. */
const TAG_TEXT = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u

/** `eu-central-1`, and not an availability zone such as `eu-central-1a`. */
const REGION = /^[a-z]{2}(?:-[a-z]+){1,3}-\d{1,2}$/
/** Partitions of AWS that have accounts of their own, and no CloudFront Functions. */
const OTHER_PARTITIONS = /^(?:cn|us-gov|us-iso[a-z]*|eu-isoe|eusc)-/

/** Whether a project can stand there, as far as its name tells. */
export const isRegion = (name: string) => REGION.test(name) && !OTHER_PARTITIONS.test(name)

const tagName = v.pipe(
  text,
  v.maxLength(128, 'is longer than 128 characters'),
  v.regex(TAG_TEXT, 'has a character that no tag can have'),
  v.check(name => !/^(?:aws|mokapot):/i.test(name), 'begins as tags of AWS and of Mokapot do'),
)
const tagValue = v.pipe(
  v.string('is not a text'),
  v.maxLength(256, 'is longer than 256 characters'),
  v.regex(TAG_TEXT, 'has a character that no tag can have'),
)

const github = v.strictObject({
  repository: v.pipe(
    text,
    v.regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,38}\/[\w.-]{1,100}$/, 'is not a repository as "you/site"'),
  ),
  branch: v.optional(
    v.pipe(
      text,
      // `*` and `?` would open the role to other branches: IAM compares with StringLike as well.
      v.regex(/^[^\0-\x20\x7f~^:?*[\\]{1,255}$/, 'is not the name of one branch'),
    ),
  ),
})

const budget = v.strictObject({
  monthlyUsd: v.pipe(
    v.number('is not a number'),
    v.check(value => value > 0 && value <= 1_000_000, 'is not over 0 and at most 1000000'),
  ),
  email: v.pipe(
    text,
    v.regex(/^[^\s@,<>"]{1,64}@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$/, 'is not a mail address'),
    v.maxLength(254, 'is longer than 254 characters'),
  ),
})

/** The field `aws` of a configuration. */
export const awsSchema = v.strictObject({
  region: v.optional(
    v.pipe(
      text,
      v.regex(REGION, 'is not the name of a region such as "eu-central-1"'),
      v.check(
        region => !OTHER_PARTITIONS.test(region),
        'is in a part of AWS that stands for itself, where CloudFront has not what a site needs',
      ),
    ),
  ),
  database: v.optional(oneOf('rds', 'dsql')),
  hostedZoneId: v.optional(
    v.pipe(text, v.regex(/^Z[A-Z0-9]{1,31}$/, 'is not the id of a hosted zone, as "Z0123456789"')),
  ),
  dnssec: v.optional(v.boolean('is not true or false')),
  mode: v.optional(oneOf('releases', 'classic')),
  functionUrls: v.optional(v.array(text, 'is not a list of names of functions')),
  github: v.optional(github),
  budget: v.optional(budget),
  logRetentionDays: v.optional(
    v.pipe(
      integer(1, RETENTION_DAYS.at(-1)!),
      v.check(
        days => RETENTION_DAYS.includes(days),
        `is not a time that CloudWatch offers: ${RETENTION_DAYS.join(', ')}`,
      ),
    ),
  ),
  tags: v.optional(
    v.pipe(
      v.record(tagName, tagValue, 'is not an object of names and values'),
      v.maxEntries(MAX_TAGS, `has more than ${MAX_TAGS} entries`),
      v.check(
        tags =>
          new Set(Object.keys(tags).map(name => name.toLowerCase())).size ===
          Object.keys(tags).length,
        'has two names that differ in upper and lower case alone, which IAM takes for one',
      ),
    ),
  ),
})

/** Every field in it, for hints. */
export const AWS_FIELDS: readonly string[] = [awsSchema, github, budget].flatMap(({ entries }) =>
  Object.keys(entries),
)

/** The value that a wrong one was probably meant to be. */
export function suggestForAws(field: string, input: unknown): string | undefined {
  if (!field.startsWith('aws.')) return undefined
  if (field === 'aws.functionUrls' && typeof input === 'string') return `functionUrls: ['${input}']`
  if (field === 'aws.github') return "github: { repository: 'you/site' }"
  if (field === 'aws.budget') return "budget: { monthlyUsd: 5, email: 'you@example.org' }"
  if (field === 'aws.github.branch') return 'one branch; what is in others is not deployed'
  if (typeof input !== 'string') return undefined
  if (field === 'aws.region' && REGION.test(input.slice(0, -1))) return `"${input.slice(0, -1)}"`
  const zone = /\/(Z[A-Z0-9]+)$/.exec(input)?.[1]
  if (field === 'aws.hostedZoneId') {
    return zone === undefined ? 'aws route53 list-hosted-zones' : `"${zone}"`
  }
  const repository = /github\.com[/:]([^/]+\/[^/]+?)(?:\.git)?\/?$/.exec(input)?.[1]
  return field === 'aws.github.repository' && repository !== undefined
    ? `"${repository}"`
    : undefined
}
