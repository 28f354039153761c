import { selectCoding } from '../../http/accept-encoding.ts'
import type { Fields } from '../../http/fields.ts'
import { isCompressible } from '../../http/media-types.ts'
import type { EdgeFile } from '../release.ts'
import type { BlobName } from './blob-source.ts'

export type Coding = 'br' | 'gzip' | 'identity'

export interface Representation {
  blob: BlobName
  coding: Coding
  /** Strong: the hash of exactly these bytes. */
  etag: string
}

/**
 * Which variant a viewer gets. A Range asks for bytes of the file itself, not of a compressed
 * form, so that a download resumed elsewhere still fits together.
 */
export function selectRepresentation(file: EdgeFile, request: Fields): Representation {
  const coding = request.has('range')
    ? 'identity'
    : selectCoding(request.get('accept-encoding'), codingsOf(file))
  return representationOf(file, coding)
}

/** The compressed variants that exist, best first. */
export function codingsOf(file: EdgeFile): readonly ('br' | 'gzip')[] {
  return (['br', 'gzip'] as const).filter(coding => file.encoded?.[coding] !== undefined)
}

export function representationOf(file: EdgeFile, coding: Coding): Representation {
  const encoded = coding === 'identity' ? undefined : file.encoded?.[coding]
  const blob = encoded ?? { sha256: file.sha256, size: file.size }
  return { blob, coding, etag: etagOf(blob.sha256) }
}

/** 128 bits of the hash: enough that two contents never share a tag, half the bytes on the wire. */
export function etagOf(sha256: string): string {
  return `"${sha256.slice(0, 32)}"`
}

/** Whether the answer depends on Accept-Encoding, also where this viewer got the identity. */
export function variesByEncoding(file: EdgeFile): boolean {
  return file.encoded !== undefined || isCompressible(file.type)
}
