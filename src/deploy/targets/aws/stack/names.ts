import { createHash } from 'node:crypto'

// What the parts of the AWS target call the same thing: the template makes it, releases use it.

/** Where CloudFront, its certificates and the keys of DNSSEC are, wherever the rest is. */
export const GLOBAL_REGION = 'us-east-1'

/** The stack of the project, in its region. */
export const siteStackName = (project: string) => `mokapot-${project}`
/**
 * The stack of its zone and certificate, in `us-east-1`; only where the project has a domain. No
 * project's own stack is called so: `mokapot-x-domain` is that of project `x-domain`.
 */
export const domainStackName = (project: string) => `mokapotdomain-${project}`

/**
 * As Lambda calls a function of the project: 64 characters at most, so that long ones end in a hash.
 * No project has "_" in its name: what begins so is of this one and of none that begins like it.
 */
export function lambdaName(project: string, name: string): string {
  const whole = `${lambdaPrefix(project)}${name}`
  if (whole.length <= 64) return whole
  return `${whole.slice(0, 55)}-${createHash('sha256').update(whole).digest('hex').slice(0, 8)}`
}
/** Of every Lambda function of a project, and in policies with a star behind it. */
export const lambdaPrefix = (project: string) => `mokapot-${project}_`
/** Runs migrations and SQL inside the network. */
export const databaseFunctionName = (project: string) => `${lambdaPrefix(project)}_database`
/** Asks the functions of previews. */
export const previewDoorName = (project: string) => `${lambdaPrefix(project)}_previews`
/** Of the database on RDS; Aurora DSQL has one alone, which is called `postgres`. */
export const DATABASE_NAME = 'app'
/** Whom functions are to the database: it owns the tables, and comes in by an IAM token alone. */
export const DATABASE_USER = 'app'
/**
 * Whom the database function is, that makes the other one: it, too, has an IAM token for a password,
 * and no other. Aurora DSQL calls it `admin`.
 */
export const DATABASE_MASTER = 'mokapot'
/** The alias that visitors' requests go to. */
export const LIVE_ALIAS = 'live'
/** Of aliases that previews' requests go to, and of their databases: the preview's name follows. */
export const PREVIEW_PREFIX = 'preview-'
/** Below this path the HTTP API has functions of previews: an alias follows, and the path itself. */
export const PREVIEW_DOOR_PATH = '/.well-known/mokapot/functions'

/** Of a secret, in Parameter Store. */
export const secretParameter = (project: string, name: string) =>
  `/mokapot/${project}/secrets/${name}`

/** Tag on everything; the value is the project's name. */
export const PROJECT_TAG = 'mokapot:project'
/**
 * Output of a stack: the SHA-256 of what it was made by, so that the same is not made twice. No tag,
 * for CloudFormation would change the tags of everything in the stack with it.
 */
export const TEMPLATE_OUTPUT = 'MokapotTemplate'

/** Outputs of the site's stack. */
export interface SiteOutputs {
  BucketName: string
  DistributionId: string
  /** Such as `d111111abcdef8.cloudfront.net`. */
  DistributionDomain: string
  /** Absent in classic mode. */
  KeyValueStoreArn?: string
  /** Without a path; absent where no function is asked by the HTTP API. */
  ApiEndpoint?: string
  /** Host; absent where the database is none of AWS's. */
  DatabaseHost?: string
  DeployRoleArn?: string
}

/** Outputs of the domain's stack. */
export interface DomainOutputs {
  HostedZoneId: string
  CertificateArn: string
  /** With a comma between them; absent for a zone that was there before. */
  NameServers?: string
}

/** Folder of a release's files in the bucket, without a slash at its end. */
export const releaseFolder = (id: string) => `releases/${id}`
/** A release's manifest, which nobody can ask for through CloudFront. */
export const manifestKey = (id: string) => `manifests/${id}.json`
/** Code of a function, by the SHA-256 of its archive. */
export const codeKey = (sha256: string) => `code/${sha256}.zip`

/**
 * What deploys keep in the bucket besides a site's files; those with a slash at the end are folders. In
 * classic mode, where the site's files stand beside them, it can have none of these names.
 */
export const RESERVED_KEYS = [
  ...['code/', 'history.json', 'locks/', 'manifests/', 'places/', 'releases/', 'templates/'],
]
/** Field of the bucket's answers by which CloudFront knows cache tags, in classic mode. */
export const CACHE_TAG_FIELD = 'x-amz-meta-cache-tag'
/** Cache tag of files that may be other ones at the same path: all that are not immutable. */
export const MUTABLE_TAG = 'mutable'
