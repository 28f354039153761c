import { createHash } from 'node:crypto'
import type { ObjectHeaders } from '../../../src/deploy/targets/aws/release/object-headers.ts'
import { formatHttpDate } from '../../../src/http/dates.ts'

export interface BucketObject extends ObjectHeaders {
  body: Buffer
}

export interface OriginAnswer {
  status: number
  headers: Record<string, string>
  body: Buffer
}

const UPLOADED_MS = Date.UTC(2026, 0, 2)

/** GET of an object as S3 answers it; a path's "+" is a blank there. */
export function getObject(objects: ReadonlyMap<string, BucketObject>, uri: string): OriginAnswer {
  const key = decodeURIComponent(uri.slice(1).replaceAll('+', ' '))
  const object = objects.get(key)
  if (object === undefined) return refusal(404, 'NoSuchKey', 'The specified key does not exist.')
  const md5 = createHash('md5').update(object.body).digest('hex')
  const metadata = Object.entries(object.metadata ?? {})
  return {
    status: 200,
    headers: {
      'content-type': object.contentType,
      'content-length': String(object.body.length),
      'cache-control': object.cacheControl,
      etag: `"${md5}"`,
      'last-modified': formatHttpDate(UPLOADED_MS),
      'accept-ranges': 'bytes',
      'x-amz-server-side-encryption': 'AES256',
      ...Object.fromEntries(metadata.map(([name, value]) => [`x-amz-meta-${name}`, value])),
    },
    body: object.body,
  }
}

export function refusal(status: number, code: string, message: string): OriginAnswer {
  const text = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`
  return {
    status,
    headers: { 'content-type': 'application/xml' },
    body: Buffer.from(text),
  }
}
