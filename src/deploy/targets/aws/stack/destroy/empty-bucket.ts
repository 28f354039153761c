import { explainAwsError } from '../../sdk/errors.ts'
import { sdk } from '../../sdk/sdk.ts'

/** Deletes a bucket with all that is in it, older versions included; one that is gone is no error. */
export async function emptyBucket(Bucket: string, region: string): Promise<void> {
  const { S3Client, ListObjectVersionsCommand, DeleteObjectsCommand, DeleteBucketCommand } =
    await sdk.s3()
  const s3 = new S3Client({ region })
  try {
    for (;;) {
      // What was listed is gone when it is listed again: always the first page.
      const page = await s3.send(new ListObjectVersionsCommand({ Bucket }))
      const Objects = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].map(
        ({ Key, VersionId }) => ({ Key, VersionId }),
      )
      if (Objects.length === 0) break
      const { Errors = [] } = await s3.send(
        new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }),
      )
      const [first] = Errors
      if (first !== undefined) {
        throw Object.assign(new Error(`${first.Key}: ${first.Message}`), {
          ...{ name: first.Code ?? 'Error', $metadata: {} },
        })
      }
    }
    await s3.send(new DeleteBucketCommand({ Bucket }))
  } catch (error) {
    if ((error as Error).name === 'NoSuchBucket') return
    throw explainAwsError(error, `empty and delete bucket "${Bucket}"`)
  } finally {
    s3.destroy()
  }
}
