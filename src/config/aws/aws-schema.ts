/** How the project stands on AWS; `moka deploy --to aws` reads it, and the home cloud does not. */
export interface AwsConfig {
  /**
   * Region of everything that is not global, such as `eu-central-1`. Default: `AWS_REGION`, else
   * `AWS_DEFAULT_REGION`, else `us-east-1`. Trap: another region is another stack; what is in the
   * first one stays there.
   */
  region?: string

  /**
   * `rds`: PostgreSQL on a db.t4g.micro, about 14 USD a month, always on. `dsql`: Aurora DSQL, which
   * costs nothing while nobody asks and takes a part of PostgreSQL's SQL. Default: `rds`. A project
   * with `database.url` uses that server on AWS, too, and this says nothing. Trap: beside `rds`
   * functions reach hosts that have IPv6, and no others.
   */
  database?: 'rds' | 'dsql'

  /** Id of a hosted zone that you have, such as `Z0123456789ABC`. Default: one is made for `domain`. */
  hostedZoneId?: string

  /**
   * Signs the zone, one that you have, too, where nobody signed it yet. Default: false. Costs about
   * 1 USD a month for the key. Trap: the registrar has to get the DS record, and has to lose it
   * again before the zone goes, or nobody finds the domain.
   */
  dnssec?: boolean

  /**
   * `releases`: every release has its own files, and live is a pointer. `classic`: the files stand in
   * the bucket as they are named, and what changed is invalidated; no preview and no rollback of
   * files. Default: `releases`.
   */
  mode?: 'releases' | 'classic'

  /**
   * Names of functions that CloudFront asks by their function URL in place of the HTTP API: nothing
   * is paid for requests, and an answer may take longer than 30 seconds. Default: none. Trap: a
   * request with a body needs the header `x-amz-content-sha256`, the body's SHA-256 in hex, from
   * the page that sends it; and such a function can have no `rateLimit`.
   */
  functionUrls?: string[]

  /** The repository that may deploy, without a key of its own, from one branch. Default: none. */
  github?: AwsGithubConfig

  /** Who is told by mail before a month gets dearer than that. Default: nobody. */
  budget?: AwsBudgetConfig

  /** Days that logs of functions and of requests are kept, one of those CloudWatch offers. Default: 30. */
  logRetentionDays?: number

  /** Tags on everything that is made, besides `mokapot:project`. Default: none. */
  tags?: Record<string, string>
}

export interface AwsGithubConfig {
  /** As `you/site`. */
  repository: string

  /** Default: `main`. */
  branch?: string
}

export interface AwsBudgetConfig {
  /** US dollars a month; mails go out at 80 % and when the month looks as if it will be more. */
  monthlyUsd: number

  /** Where the mails go. */
  email: string
}
