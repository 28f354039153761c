/** What `aws` in moka.config.ts says, with every default filled in. */
export interface AwsSettings {
  region: string
  /** `none` where the project has no database; `url` where it has a server of its own. */
  database: 'none' | 'rds' | 'dsql' | 'url'
  hostedZoneId?: string
  hasDnssec: boolean
  mode: 'releases' | 'classic'
  /** Names of functions that are asked by their function URL; the others by the HTTP API. */
  functionUrls: readonly string[]
  github?: { owner: string; repository: string; branch: string }
  budget?: { monthlyUsd: number; email: string }
  logRetentionDays: number
  tags: Readonly<Record<string, string>>
}
