import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { isCompressible } from '../../http/media-types.ts'

const brotli = promisify(brotliCompress)
const zip = promisify(gzip)

const MIN_BYTES = 256 // below this a response's header weighs more than what is saved
const MAX_BYTES = 16 * 1024 * 1024
const BEST_BROTLI_BYTES = 128 * 1024 // quality 11 takes 1 to 2 s a megabyte
/** Of all that a deploy compresses: above it the best would take its author more than some seconds. */
const BEST_TOTAL_BYTES = 4 * 1024 * 1024
const BEST_QUALITY = 11
/** A twelfth of the time for a tenth more bytes. Those between cost more and bring next to nothing. */
const FAST_QUALITY = 6

export interface EncodedContent {
  sha256: string
  bytes: Uint8Array
}

/** Whether a file of this type and size gains from compression. */
export function isWorthEncoding(mediaType: string, sizeBytes: number): boolean {
  return sizeBytes >= MIN_BYTES && sizeBytes <= MAX_BYTES && isCompressible(mediaType)
}

/**
 * The br and gzip forms of a file's content, each only where it is smaller than the original.
 * `totalBytes` is what the deploy compresses in all.
 */
export async function encodeContent(
  content: Uint8Array,
  totalBytes = content.length,
): Promise<{ br?: EncodedContent; gzip?: EncodedContent }> {
  const isBest = content.length <= BEST_BROTLI_BYTES && totalBytes <= BEST_TOTAL_BYTES
  const quality = isBest ? BEST_QUALITY : FAST_QUALITY
  const [br, gz] = await Promise.all([
    brotli(content, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: quality,
        [constants.BROTLI_PARAM_SIZE_HINT]: content.length,
      },
    }),
    zip(content, { level: 9 }),
  ])
  return {
    ...(br.length < content.length ? { br: identify(br) } : {}),
    ...(gz.length < content.length ? { gzip: identify(gz) } : {}),
  }
}

function identify(bytes: Uint8Array): EncodedContent {
  return { sha256: createHash('sha256').update(bytes).digest('hex'), bytes }
}
