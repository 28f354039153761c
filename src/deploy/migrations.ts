import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemErrorCode } from '../shared/errors.ts'

export interface MigrationFile {
  /** The file's name. */
  name: string
  sha256: string
  sql: Uint8Array
}

/** The `.sql` files of a folder, in byte order of their names; none when there is no folder. */
export async function readMigrations(directory: string): Promise<MigrationFile[]> {
  const names = await readdir(directory).catch(error => {
    if (systemErrorCode(error) === 'ENOENT') return []
    throw error
  })
  const sorted = names.filter(name => name.endsWith('.sql') && !name.startsWith('.')).sort()
  return Promise.all(
    sorted.map(async name => {
      const sql = await readFile(join(directory, name))
      return { name, sha256: createHash('sha256').update(sql).digest('hex'), sql }
    }),
  )
}
