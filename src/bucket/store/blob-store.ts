import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  createReadStream,
  fdatasync,
  openSync,
  type ReadStream,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { mkdir, open, opendir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { promisify } from 'node:util'
import { syncDirectory } from '../../shared/atomic-file.ts'
import { explainDiskFull, MokaError, systemErrorCode } from '../../shared/errors.ts'

const SHA256_CHARS = 64
const TEMPORARY = '.tmp'
const SET_ASIDE = '.damaged'
/** Up to here the file system is not waited for but when it flushes: threads cost more than it does. */
const SMALL_BYTES = 64 * 1024
const flushFile = promisify(fdatasync)

/** What identifies a blob: the lower-case hex SHA-256 of its bytes, and their number. */
export interface BlobInfo {
  sha256: string
  sizeBytes: number
}

/**
 * Content-addressed bytes in one flat folder, `<sha256>` each, never changed once they have that
 * name. A blob is written to a temporary name, fsynced and renamed; `flush` makes the names
 * themselves durable, once for any number of blobs. One whose bytes the disk has lost or changed
 * counts as missing as soon as its size says so or somebody noticed and had it set aside; then it
 * can be stored again.
 */
export interface BlobStore {
  /**
   * Stores content under its hash; storing the same bytes again costs only the hashing, unless
   * what is stored has another size.
   * Throws `BUCKET_HASH_MISMATCH` when `expected` is given and the bytes hash to something else,
   * and `DISK_FULL`.
   */
  put(content: Uint8Array | AsyncIterable<Uint8Array>, expected?: string): Promise<BlobInfo>
  /** With `sizeBytes`: whether it is there and has that size. */
  has(sha256: string, sizeBytes?: number): boolean
  /** As `has`; what is there counts as stored just now, so that no sweep takes it from who asks. */
  claim(sha256: string, sizeBytes?: number): boolean
  /** All bytes of a blob. Throws `BUCKET_BLOB_MISSING`. */
  read(sha256: string): Promise<Uint8Array>
  /**
   * Reads a blob that somebody found damaged. When its bytes do not have its hash, or cannot be
   * read, it becomes `<sha256>.damaged` for whoever looks into it. True when that happened.
   */
  setAsideIfDamaged(sha256: string): Promise<boolean>
  stream(sha256: string, range?: { start: number; end: number }): ReadStream
  /** Where the blob lies or would lie. Throws on anything that is not a SHA-256. */
  path(sha256: string): string
  /** Resolves when every blob stored before the call survives a loss of power. */
  flush(): Promise<void>
  /** Removes blobs that were stored or claimed before `beforeMs` and are not used; damaged ones too. */
  sweep(isUsed: (sha256: string) => boolean, beforeMs: number): Promise<Swept>
}

export interface Swept {
  blobs: number
  sizeBytes: number
}

/** A claim is written down this often at most; sweeps leave alone what is far younger than a day. */
const CLAIM_MS = 60 * 60 * 1000

/** Opens the folder, makes it if needed, and clears what a killed process left half-written. */
export async function openBlobStore(directory: string): Promise<BlobStore> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  for (const name of await readdir(directory)) {
    if (name.startsWith(TEMPORARY)) await rm(join(directory, name), { force: true })
  }
  return new DirectoryBlobStore(directory)
}

class DirectoryBlobStore implements BlobStore {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  path(sha256: string): string {
    if (!isSha256(sha256)) {
      throw new MokaError(
        'BUCKET_INVALID_HASH',
        `cannot look up blob "${sha256.slice(0, 80)}": it is not a SHA-256 in lower-case hex`,
      )
    }
    return this.#directory + sep + sha256 // `join` would take a fifth of a look at 30,000 blobs
  }

  has(sha256: string, sizeBytes?: number): boolean {
    const found = statSync(this.path(sha256), { throwIfNoEntry: false })
    return found !== undefined && (sizeBytes === undefined || found.size === sizeBytes)
  }

  claim(sha256: string, sizeBytes?: number): boolean {
    const path = this.path(sha256)
    const found = statSync(path, { throwIfNoEntry: false })
    if (found === undefined || (sizeBytes !== undefined && found.size !== sizeBytes)) return false
    const now = Date.now()
    if (now - found.mtimeMs > CLAIM_MS) utimesSync(path, now / 1000, now / 1000)
    return true
  }

  async read(sha256: string): Promise<Uint8Array> {
    try {
      return await readFile(this.path(sha256))
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw error
      throw new MokaError('BUCKET_BLOB_MISSING', `cannot read blob "${sha256}": it is not stored`)
    }
  }

  async setAsideIfDamaged(sha256: string): Promise<boolean> {
    const path = this.path(sha256)
    const file = await open(path, 'r').catch(error => {
      if (systemErrorCode(error) === 'ENOENT') return undefined
      throw error
    })
    if (file === undefined) return false
    try {
      const { ino } = await file.stat()
      if (await hasHash(file.createReadStream({ autoClose: false }), sha256)) return false
      // Whoever stored it again meanwhile put another file there.
      if (statSync(path, { throwIfNoEntry: false })?.ino !== ino) return false
      renameSync(path, `${path}${SET_ASIDE}`)
      return true
    } finally {
      await file.close()
    }
  }

  stream(sha256: string, range?: { start: number; end: number }): ReadStream {
    return createReadStream(this.path(sha256), range)
  }

  async put(content: Uint8Array | AsyncIterable<Uint8Array>, expected?: string): Promise<BlobInfo> {
    try {
      const isSmall = content instanceof Uint8Array && content.byteLength <= SMALL_BYTES
      return await (isSmall ? this.#putSmall(content, expected) : this.#putAny(content, expected))
    } catch (error) {
      throw explainDiskFull(error, `store an object in "${this.#directory}"`)
    }
  }

  async #putSmall(content: Uint8Array, expected: string | undefined): Promise<BlobInfo> {
    const sha256 = createHash('sha256').update(content).digest('hex')
    const sizeBytes = content.byteLength
    requireHash(sha256, expected)
    if (this.claim(sha256, sizeBytes)) return { sha256, sizeBytes }
    const temporary = this.#temporary()
    try {
      const file = openSync(temporary, 'wx', 0o600)
      try {
        writeFileSync(file, content)
        await flushFile(file)
      } finally {
        closeSync(file)
      }
      renameSync(temporary, this.path(sha256))
    } catch (error) {
      rmSync(temporary, { force: true })
      throw error
    }
    return { sha256, sizeBytes }
  }

  async #putAny(
    content: Uint8Array | AsyncIterable<Uint8Array>,
    expected: string | undefined,
  ): Promise<BlobInfo> {
    const temporary = this.#temporary()
    const hash = createHash('sha256')
    let sizeBytes = 0
    const file = await open(temporary, 'wx', 0o600)
    try {
      const chunks = content instanceof Uint8Array ? [content] : content
      for await (const chunk of chunks) {
        hash.update(chunk)
        sizeBytes += chunk.byteLength
        await file.writeFile(chunk)
      }
      const sha256 = hash.digest('hex')
      requireHash(sha256, expected)
      if (!this.claim(sha256, sizeBytes)) {
        await file.datasync()
        await rename(temporary, this.path(sha256))
      }
      return { sha256, sizeBytes }
    } finally {
      await file.close()
      await rm(temporary, { force: true })
    }
  }

  #temporary(): string {
    return join(this.#directory, `${TEMPORARY}${randomBytes(8).toString('hex')}`)
  }

  flush(): Promise<void> {
    return syncDirectory(this.#directory)
  }

  async sweep(isUsed: (sha256: string) => boolean, beforeMs: number): Promise<Swept> {
    const swept = { blobs: 0, sizeBytes: 0 }
    for await (const { name } of await opendir(this.#directory)) {
      const sha256 = name.endsWith(SET_ASIDE) ? name.slice(0, -SET_ASIDE.length) : name
      if (!isSha256(sha256) || (sha256 === name && isUsed(sha256))) continue
      const path = join(this.#directory, name)
      // In one go: nobody can claim it between the look and the end.
      const found = statSync(path, { throwIfNoEntry: false })
      if (found === undefined || found.mtimeMs >= beforeMs) continue
      unlinkSync(path)
      swept.blobs++
      swept.sizeBytes += found.size
    }
    return swept
  }
}

/** Lower-case hex. A regular expression takes as long as the look for the file does. */
function isSha256(text: string): boolean {
  if (text.length !== SHA256_CHARS) return false
  for (let index = 0; index < SHA256_CHARS; index++) {
    const code = text.charCodeAt(index)
    const isHex = (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66)
    if (!isHex) return false
  }
  return true
}

function requireHash(sha256: string, expected: string | undefined): void {
  if (expected === undefined || sha256 === expected) return
  throw new MokaError(
    'BUCKET_HASH_MISMATCH',
    `cannot store blob "${expected}": the bytes that arrived hash to ${sha256}`,
    { hint: 'send the file again; it changed or was damaged on the way' },
  )
}

/** False also where the disk cannot read it. */
async function hasHash(content: AsyncIterable<Uint8Array>, sha256: string): Promise<boolean> {
  const hash = createHash('sha256')
  try {
    for await (const chunk of content) hash.update(chunk)
  } catch (error) {
    if (systemErrorCode(error) === 'EIO') return false
    throw error
  }
  return hash.digest('hex') === sha256
}
