import { randomBytes } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { explainDiskFull } from './errors.ts'

/**
 * Replaces a file so that a reader, or a machine that loses power, finds the old content or the
 * new and nothing between: temporary name, fsync, rename, fsync of the folder.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  mode = 0o600,
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  const file = await open(temporary, 'wx', mode).catch(error => {
    throw explainDiskFull(error, `write "${path}"`)
  })
  try {
    await file.writeFile(content)
    await file.sync()
  } catch (error) {
    await file.close()
    await rm(temporary, { force: true })
    throw explainDiskFull(error, `write "${path}"`)
  }
  await file.close()
  await rename(temporary, path)
  await syncDirectory(dirname(path))
}

/** Makes renames and creations in a folder durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
