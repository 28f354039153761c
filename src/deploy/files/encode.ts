import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { brotliCompress, brotliCompressSync, constants, gzip, gzipSync } from 'node:zlib'
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
/** Up to here a thread costs four times what it is to do: 0.1 ms. */
const AT_ONCE_BYTES = 16 * 1024
/** Powers of two. A larger window than the content is memory that is cleared for nothing. */
const MIN_WINDOW_BITS = 16
const MAX_WINDOW_BITS = 22

export type ContentCoding = 'br' | 'gzip'

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
  const forms = [encodeAs('br', content, totalBytes), encodeAs('gzip', content, totalBytes)]
  const [br, gz] = forms.every(isBytes) ? forms : await Promise.all(forms)
  return {
    ...(br!.length < content.length ? { br: identify(br!) } : {}),
    ...(gz!.length < content.length ? { gzip: identify(gz!) } : {}),
  }
}

/** Whether content of this size, of `totalBytes` in all, is compressed without waiting. */
export function isEncodedAtOnce(sizeBytes: number, totalBytes: number): boolean {
  return sizeBytes <= AT_ONCE_BYTES && !isEncodedBest(sizeBytes, totalBytes)
}

function isEncodedBest(sizeBytes: number, totalBytes: number): boolean {
  return sizeBytes <= BEST_BROTLI_BYTES && totalBytes <= BEST_TOTAL_BYTES
}

/** One form, always the same for the same arguments; at once where that costs next to nothing. */
export function encodeAs(
  coding: ContentCoding,
  content: Uint8Array,
  totalBytes: number,
): Uint8Array | Promise<Uint8Array> {
  const isBest = isEncodedBest(content.length, totalBytes)
  const isAtOnce = isEncodedAtOnce(content.length, totalBytes)
  // What comes out larger is of no use, so that no larger buffer is needed.
  const chunkSize = Math.max(content.length, MIN_BYTES)
  if (coding === 'gzip') {
    const options = { level: 9, chunkSize }
    return isAtOnce ? gzipSync(content, options) : zip(content, options)
  }
  const windowBits = Math.ceil(Math.log2(content.length + 16))
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: isBest ? BEST_QUALITY : FAST_QUALITY,
    [constants.BROTLI_PARAM_SIZE_HINT]: content.length,
    [constants.BROTLI_PARAM_LGWIN]: Math.min(
      Math.max(windowBits, MIN_WINDOW_BITS),
      MAX_WINDOW_BITS,
    ),
  }
  const options = { params, chunkSize }
  return isAtOnce ? brotliCompressSync(content, options) : brotli(content, options)
}

function isBytes(form: Uint8Array | Promise<Uint8Array>): form is Uint8Array {
  return form instanceof Uint8Array
}

function identify(bytes: Uint8Array): EncodedContent {
  return { sha256: createHash('sha256').update(bytes).digest('hex'), bytes }
}
