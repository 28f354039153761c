/** What the database function is asked. SQL of migrations comes in pieces that a payload can hold. */
export type DatabaseRequest =
  /** Makes the user of functions. `roles`: of IAM, that may come in by it where the database asks. */
  | { action: 'prepare'; roles: string[] }
  /** `database`: of a preview, in place of the live one. */
  | { action: 'migrate'; migrations: SentMigration[]; database?: string }
  | { action: 'query'; sql: string }
  /** Makes a database for a preview, where there is none of that name; whether it did. */
  | { action: 'make-preview'; database: string }
  /** Names of the databases of previews. */
  | { action: 'list-previews' }
  | { action: 'drop-previews'; databases: string[] }

export interface SentMigration {
  name: string
  sha256: string
  /** Compressed by gzip, as base64. Absent: it is asked for where the database does not have it. */
  sql?: string
}

export interface MigrateAnswer {
  applied: string[]
  /** Names of what is to be applied next, in order, whose SQL has not come yet. */
  missing: string[]
}

export type DatabaseAnswer =
  | { ok: true; result: unknown }
  | { ok: false; error: { code: string; message: string; hint?: string } }
