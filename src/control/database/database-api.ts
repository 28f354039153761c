/** The database of a project, on the cloud that runs it. */
export interface DatabaseApi {
  /** Applies what the live release has and the database lacks; the names of what was applied. */
  migrate(project: string): Promise<string[]>
  /** The whole database at one moment, as SQL that is compressed by gzip. */
  backup(project: string): Promise<AsyncIterable<Uint8Array>>
  /**
   * Puts a backup in the place of the database, and applies what the live release has and the backup
   * lacks. Without `isReplacing` it is refused where there are rows.
   */
  restore(
    project: string,
    backup: AsyncIterable<Uint8Array>,
    options: { isReplacing: boolean },
  ): Promise<RestoredDatabase>
}

export interface RestoredDatabase {
  /** Whose backup it was. */
  project: string
  takenMs: number
  /** How many the backup had. */
  migrations: number
  tables: number
  /** Names of those that the live release has besides. */
  migrated: string[]
}
