import { isDeepStrictEqual } from 'node:util'
import { CACHE_TAG_FIELD, MUTABLE_TAG } from '../../stack/names.ts'
import { type ObjectHeaders, objectHeaders } from '../object-headers.ts'
import type { StoredHead } from '../objects/bucket.ts'
import type { PlacedFile } from './root-files.ts'

const METADATA = 'x-amz-meta-'

/** As where there are releases, with the cache tag that invalidations name. */
export function plainHeaders(path: string, file: PlacedFile['file']): ObjectHeaders {
  const headers = objectHeaders(path, file)
  if (file.immutable === true) return headers
  const tag = { [CACHE_TAG_FIELD.slice(METADATA.length)]: MUTABLE_TAG }
  return { ...headers, metadata: { ...headers.metadata, ...tag } }
}

/** Whether an object has just these headers. */
export function hasHeaders(
  found: StoredHead,
  { contentType, cacheControl, metadata = {} }: ObjectHeaders,
): boolean {
  return (
    found.contentType === contentType &&
    found.cacheControl === cacheControl &&
    isDeepStrictEqual({ ...found.metadata }, { ...metadata })
  )
}
