import { MokaError } from '../../../../../shared/errors.ts'
import type { ObjectHeaders } from '../object-headers.ts'
import type { Bucket, StoredHead } from '../objects/bucket.ts'
import { inParallel } from '../objects/upload.ts'
import { hasHeaders } from './plain-headers.ts'
import type { PlacedFile } from './root-files.ts'

export interface RestoreParts {
  bucket: Bucket
  headers(path: string, file: PlacedFile['file']): ObjectHeaders
  /** Throws when this deploy may not write any more. */
  check(): void
}

/**
 * Puts files back as they were before a deploy changed or deleted them, of the versions that the bucket
 * keeps for a month. What has not been touched costs one question.
 */
export async function restoreFiles(
  files: readonly PlacedFile[],
  { bucket, headers, check }: RestoreParts,
): Promise<void> {
  await inParallel(files, async ({ path, file }) => {
    const key = path.slice(1)
    const wanted = headers(path, file)
    if (isStoredAs(await bucket.head(key), file, wanted)) return
    for (const { version, sizeBytes } of await bucket.versions(key)) {
      if (sizeBytes !== file.size) continue
      if (!isStoredAs(await bucket.head(key, version), file, wanted)) continue
      check()
      await bucket.copy(key, key, wanted, version)
      return
    }
    throw new MokaError(
      'AWS_VERSION_GONE',
      `cannot put "${path}" back: the bucket has no version of it that is that of the live release`,
    )
  })
}

/** Whether an object is a file of a release. Of one that came in parts, S3 does not tell the SHA-256. */
function isStoredAs(
  found: StoredHead | undefined,
  file: PlacedFile['file'],
  headers: ObjectHeaders,
): boolean {
  if (found?.sizeBytes !== file.size || !hasHeaders(found, headers)) return false
  const isInParts = found.checksum?.includes('-') === true
  return isInParts || found.checksum === Buffer.from(file.sha256, 'hex').toString('base64')
}
