import { createHash } from 'node:crypto'

// What the parts of the AWS target call the same thing: the template makes it, releases use it.

/** Where CloudFront, its certificates and the keys of DNSSEC are, wherever the rest is. */
export const GLOBAL_REGION = 'us-east-1'

/** The stack of the project, in its region. */
export const siteStackName = (project: string) => `mokapot-${project}`
/** The stack of its zone and certificate, in `us-east-1`; only where the project has a domain. */
export const domainStackName = (project: string) => `mokapot-${project}-domain`

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
