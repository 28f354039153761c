import { createHash } from 'node:crypto'
import type { BlobStore } from '../../bucket/store/blob-store.ts'
import { MokaError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'

/**
 * Blobs that a reader found damaged. The bucket sets them aside, so that they count as missing and
 * the next deploy sends them again.
 */
export class DamagedBlobs {
  readonly #blobs: BlobStore
  readonly #logger: Logger
  /** Every request for a damaged file tells of it. */
  readonly #checking = new Set<string>()

  constructor(blobs: BlobStore, logger: Logger) {
    this.#blobs = blobs
    this.#logger = logger
  }

  report(sha256: string): void {
    if (!this.#checking.has(sha256)) void this.#check(sha256)
  }

  /** All bytes of a blob. Throws `BUCKET_BLOB_MISSING` and `CLOUD_BLOB_DAMAGED`. */
  async read(sha256: string): Promise<Uint8Array> {
    const bytes = await this.#blobs.read(sha256)
    if (createHash('sha256').update(bytes).digest('hex') === sha256) return bytes
    await this.#check(sha256)
    throw new MokaError(
      'CLOUD_BLOB_DAMAGED',
      `cannot read blob "${sha256}": its content has another hash`,
      { hint: 'deploy again; what is damaged is sent again' },
    )
  }

  async #check(sha256: string): Promise<void> {
    this.#checking.add(sha256)
    try {
      if (!(await this.#blobs.setAsideIfDamaged(sha256))) return
      this.#logger.error('a stored object is damaged; the next deploy sends it again', {
        sha256,
        keptAs: `${sha256}.damaged`,
      })
    } catch (error) {
      this.#logger.error('a stored object cannot be checked', { sha256, error: String(error) })
    } finally {
      this.#checking.delete(sha256)
    }
  }
}
