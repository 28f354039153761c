import { randomBytes } from 'node:crypto'
import { open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { explainDiskFull } from './errors.ts'

const TEMPORARY = /\.[0-9a-f]{12}\.tmp$/

/**
 * Replaces a file so that a reader, or a machine that loses power, finds the old content or the
 * new and nothing between: temporary name, fsync, rename, fsync of the folder.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array | Iterable<string>,
  mode = 0o600,
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  const file = await open(temporary, 'wx', mode).catch(error => {
    throw explainDiskFull(error, `write "${path}"`)
  })
  try {
    const isWhole = typeof content === 'string' || content instanceof Uint8Array
    for (const piece of isWhole ? [content] : content) await file.writeFile(piece)
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

/** Removes what writers that were killed left in a folder in which nobody writes now. */
export async function removeTemporaries(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (TEMPORARY.test(name)) await rm(join(directory, name), { force: true })
  }
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
