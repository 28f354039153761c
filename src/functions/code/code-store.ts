import { createHash, randomBytes } from 'node:crypto'
import { constants, existsSync, renameSync, rmSync } from 'node:fs'
import { access, chmod, mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { unzip, unzipSync } from 'fflate'
import { syncDirectory } from '../../shared/atomic-file.ts'
import { MokaError, systemErrorCode } from '../../shared/errors.ts'
import { readZipDirectory, type ZipEntry } from './zip-directory.ts'

/** Archives over this many bytes are unpacked by a worker thread, so that nobody waits for them. */
const WORKER_FROM_BYTES = 256 * 1024

/**
 * Unpacked code, one folder for each archive, made at its first use and never changed. It is a
 * cache: what a power failure may have left half written (no `.synced` mark) is dropped at opening.
 */
export class CodeStore {
  readonly #directory: string
  readonly #readCode: (sha256: string) => Promise<Uint8Array>
  readonly #folders = new Map<string, Promise<string>>()

  readonly #syncing = new Set<Promise<void>>()

  private constructor(directory: string, readCode: (sha256: string) => Promise<Uint8Array>) {
    this.#directory = directory
    this.#readCode = readCode
  }

  static async open(
    directory: string,
    readCode: (sha256: string) => Promise<Uint8Array>,
  ): Promise<CodeStore> {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const names = new Set(await readdir(directory))
    for (const name of names) {
      const isWhole = name.endsWith('.synced')
        ? names.has(name.slice(0, -'.synced'.length))
        : names.has(`${name}.synced`)
      if (!isWhole) await rm(join(directory, name), { recursive: true, force: true })
    }
    return new CodeStore(directory, readCode)
  }

  /** The folder with the unpacked code of an archive. Throws FUNCTIONS_CODE_INVALID. */
  folder(sha256: string): Promise<string> {
    const known = this.#folders.get(sha256)
    if (known !== undefined) return known
    const made = this.#ensure(sha256)
    this.#folders.set(sha256, made)
    made.catch(() => this.#folders.delete(sha256))
    return made
  }

  /** Drops the unpacked code of an archive. It is unpacked again should it be asked for. */
  async remove(sha256: string): Promise<void> {
    this.#folders.delete(sha256)
    const folder = join(this.#directory, sha256)
    const doomed = `${folder}.${randomBytes(4).toString('hex')}.tmp`
    // At once and as a whole, since somebody may ask for it in the next moment.
    rmSync(`${folder}.synced`, { force: true })
    if (existsSync(folder)) renameSync(folder, doomed)
    await rm(doomed, { recursive: true, force: true })
  }

  /** Resolves when nothing is being written any more. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#folders.values())
    await Promise.all(this.#syncing)
  }

  async #ensure(sha256: string): Promise<string> {
    if (!/^[0-9a-f]{64}$/.test(sha256)) throw invalid(sha256, 'its name is not a SHA-256')
    const folder = join(this.#directory, sha256)
    const isThere = await access(folder, constants.R_OK).then(
      () => true,
      () => false,
    )
    if (isThere) return folder
    const bytes = await this.#readCode(sha256)
    if (createHash('sha256').update(bytes).digest('hex') !== sha256) {
      throw invalid(sha256, 'its content does not have that hash')
    }
    const temporary = join(this.#directory, `${sha256}.${randomBytes(4).toString('hex')}.tmp`)
    const entries = readZipDirectory(bytes)
    try {
      await writeEntries(temporary, entries, await unpack(sha256, bytes, entries))
      if (!(await moveInto(temporary, folder))) return folder
    } catch (error) {
      await rm(temporary, { recursive: true, force: true })
      throw error
    }
    const synced = this.#sync(sha256, folder, entries).catch(() => {}) // e.g. removed meanwhile
    this.#syncing.add(synced)
    void synced.then(() => this.#syncing.delete(synced))
    return folder
  }

  /** After the fact, since the first invocation is waiting: until then the mark is missing. */
  async #sync(sha256: string, folder: string, entries: readonly ZipEntry[]): Promise<void> {
    const folders = new Set<string>([folder])
    for (const entry of entries) {
      const path = join(folder, entry.name)
      if (entry.name.endsWith('/')) {
        folders.add(path)
        continue
      }
      folders.add(dirname(path))
      const file = await open(path, 'r')
      await file.sync().finally(() => file.close())
    }
    for (const path of folders) await syncDirectory(path)
    await writeFile(join(this.#directory, `${sha256}.synced`), '')
  }
}

/** False when somebody else was faster and has put the same there. */
async function moveInto(temporary: string, folder: string): Promise<boolean> {
  try {
    await rename(temporary, folder)
    return true
  } catch (error) {
    const code = systemErrorCode(error)
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
    await rm(temporary, { recursive: true, force: true })
    return false
  }
}

async function unpack(
  sha256: string,
  bytes: Uint8Array,
  entries: readonly ZipEntry[],
): Promise<Record<string, Uint8Array>> {
  const size = entries.reduce((sum, entry) => sum + entry.sizeBytes, bytes.length)
  let files: Record<string, Uint8Array>
  try {
    files =
      size < WORKER_FROM_BYTES
        ? unzipSync(bytes)
        : await new Promise((resolve, reject) => {
            unzip(bytes, (error, files) => (error === null ? resolve(files) : reject(error)))
          })
  } catch (cause) {
    throw invalid(sha256, cause instanceof Error ? cause.message : String(cause), cause)
  }
  for (const { name, sizeBytes } of entries) {
    if (name.endsWith('/')) continue
    // A name that is not marked as UTF-8 is read in another way there (APPNOTE 4.4.4, bit 11).
    const file = Object.hasOwn(files, name) ? files[name] : undefined
    if (file === undefined) throw invalid(sha256, `the name of entry "${name}" is not UTF-8`)
    if (file.length !== sizeBytes) throw invalid(sha256, `entry "${name}" is damaged`)
  }
  return files
}

async function writeEntries(
  folder: string,
  entries: readonly ZipEntry[],
  files: Readonly<Record<string, Uint8Array>>,
): Promise<void> {
  const made = new Set<string>()
  const makeFolder = async (path: string): Promise<void> => {
    if (made.has(path)) return
    if (path !== folder) await makeFolder(dirname(path))
    await mkdir(path, { recursive: true })
    // Whatever our umask: functions may run as another user.
    await chmod(path, 0o755)
    made.add(path)
  }
  await makeFolder(folder)
  const isMasked = (process.umask() & 0o755) !== 0
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.name.endsWith('/')) {
      await makeFolder(path)
      continue
    }
    await makeFolder(dirname(path))
    const mode = entry.isExecutable ? 0o755 : 0o644
    await writeFile(path, files[entry.name]!, { mode })
    if (isMasked) await chmod(path, mode)
  }
}

function invalid(sha256: string, reason: string, cause?: unknown): MokaError {
  return new MokaError(
    'FUNCTIONS_CODE_INVALID',
    `cannot unpack function code "${sha256}": ${reason}`,
    cause === undefined ? {} : { cause },
  )
}
