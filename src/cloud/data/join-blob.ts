import type { BlobStore } from '../../bucket/store/blob-store.ts'
import { MokaError } from '../../shared/errors.ts'

/**
 * Stores a blob that is others one after the other. Those are swept when nothing has used them for a
 * while. Throws `CLOUD_PARTS_MISSING`, and `BUCKET_HASH_MISMATCH` where it is another blob then.
 */
export async function joinBlob(
  blobs: Pick<BlobStore, 'claim' | 'put' | 'stream'>,
  sha256: string,
  parts: readonly string[],
): Promise<void> {
  const missing = parts.filter(part => !blobs.claim(part))
  if (missing.length > 0) {
    throw new MokaError(
      'CLOUD_PARTS_MISSING',
      `cannot join blob "${sha256}": ${missing.length} of its ${parts.length} parts are missing`,
      { hint: 'deploy again; only what is missing is sent' },
    )
  }
  const content = async function* () {
    for (const part of parts) yield* blobs.stream(part)
  }
  await blobs.put(content(), sha256)
}
