import type { ObjectStore } from '../../bucket/bucket.ts'
import type { ManifestEntry, ManifestStore } from '../../releases/release-store.ts'

const BUCKET = 'mokapot-releases'

/** Keeps release manifests as objects of the bucket. */
export function manifestStore(bucket: ObjectStore): ManifestStore {
  return {
    async put(key, bytes, metadata) {
      const mediaType = 'application/json'
      await bucket.putObject({ bucket: BUCKET, key, content: bytes, mediaType, metadata })
    },
    async get(key) {
      if (bucket.headObject(BUCKET, key) === undefined) return undefined
      return (await bucket.getObject(BUCKET, key)).content
    },
    async delete(key) {
      await bucket.deleteObject(BUCKET, key)
    },
    list(prefix) {
      const entries: ManifestEntry[] = []
      for (let startAfter: string | undefined; ; ) {
        const page = bucket.listObjects(BUCKET, {
          prefix,
          ...(startAfter === undefined ? {} : { startAfter }),
        })
        entries.push(...page.objects)
        if (page.nextStartAfter === undefined) return entries
        startAfter = page.nextStartAfter
      }
    },
  }
}
