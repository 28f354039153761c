import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'

/** SHA-256 of a file's bytes in hex, for files that fit in memory, such as a lock file. */
export async function hashFile(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
}
