import { randomBytes } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { type CacheOutcome, formatCacheStatus } from '../../http/caching/cache-status.ts'
import { allowsRange, evaluatePreconditions } from '../../http/conditional/conditionals.ts'
import {
  type ByteRange,
  formatContentRange,
  formatUnsatisfiedRange,
  layOutMultipart,
  parseRange,
} from '../../http/conditional/ranges.ts'
import { formatHttpDate } from '../../http/dates.ts'
import { Fields } from '../../http/fields.ts'
import { applyHeaderRules, type CompiledHeaderRule } from '../headers/header-rules.ts'
import type { EdgeFile } from '../release.ts'
import { NO_BODY, type ResponseBody, type ViewerResponse } from '../viewer.ts'
import type { BlobSource, LoadedBlob } from './blob-source.ts'
import { type Representation, selectRepresentation, variesByEncoding } from './representation.ts'

export interface FileRequest {
  method: 'GET' | 'HEAD'
  fields: Fields
  /** Decoded path as requested: what header rules are matched against. */
  path: string
  now: number
}

export interface FileToSend {
  file: EdgeFile
  /** 200, or what a rewrite says: 404 for an error page. Conditions and ranges need a 200. */
  status: number
  modifiedMs: number
  headerRules: readonly CompiledHeaderRule[]
}

const IMMUTABLE = 'public, max-age=31536000, immutable'
const REVALIDATE = 'public, max-age=0, must-revalidate'
/** Part and boundary lines of a multipart body: 16 random bytes cannot occur in a file by chance. */
const BOUNDARY_BYTES = 16

/**
 * choose the representation → fields → preconditions → range → body.
 * Rejects with `BlobDamagedError` before anything was promised to the viewer.
 */
export async function respondWithFile(
  blobs: BlobSource,
  request: FileRequest,
  sending: FileToSend,
): Promise<ViewerResponse> {
  const { file, status } = sending
  const chosen = selectRepresentation(file, request.fields)
  const fields = fieldsOf(chosen, request.path, sending)
  if (status !== 200) {
    return sendWhole(blobs, request, status, fields, chosen)
  }
  const validators = { etag: chosen.etag, lastModifiedMs: sending.modifiedMs }
  const outcome = evaluatePreconditions(request.method, request.fields, validators, {
    now: request.now,
    modifiedSince: 'exact',
  })
  if (outcome === 'not-modified') return notModified(fields)
  if (outcome === 'failed') return { status: 412, fields: onlyGeneral(fields), body: NO_BODY }
  // Range means something for GET alone (RFC 9110 §14.2).
  const isRangeAllowed =
    request.method === 'GET' && allowsRange(request.fields, validators, request.now)
  const range = parseRange(isRangeAllowed ? request.fields.get('range') : undefined, file.size)
  if (range.kind === 'unsatisfiable') {
    onlyGeneral(fields).set('content-range', formatUnsatisfiedRange(file.size))
    return { status: 416, fields, body: NO_BODY }
  }
  return range.kind === 'ranges'
    ? sendRanges(blobs, fields, chosen, range.ranges)
    : sendWhole(blobs, request, 200, fields, chosen)
}

/**
 * The fields of an answer from memory, for who prepares it: the same that `respondWithFile` gives
 * for a plain GET or HEAD, and for one whose condition makes it a 304.
 */
export function fieldsFromMemory(
  chosen: Representation,
  path: string,
  sending: FileToSend,
): { whole: Fields; notModified: Fields } {
  const whole = fieldsOf(chosen, path, sending)
  const unmodified = notModified(whole.clone())
  setCacheStatus(whole, { kind: 'hit' })
  return { whole, notModified: unmodified.fields }
}

function fieldsOf(chosen: Representation, path: string, sending: FileToSend): Fields {
  const { file, status } = sending
  const fields = new Fields()
  fields.set('content-type', file.type)
  fields.set('cache-control', file.immutable === true ? IMMUTABLE : REVALIDATE)
  if (variesByEncoding(file)) fields.set('vary', 'Accept-Encoding')
  applyHeaderRules(fields, sending.headerRules, path)
  // A rule such as `/assets/*  Cache-Control: immutable` must not keep an error alive.
  if (status >= 400) fields.set('cache-control', 'no-cache')
  fields.set('content-length', String(chosen.blob.size))
  if (chosen.coding !== 'identity') fields.set('content-encoding', chosen.coding)
  if (status === 200) {
    fields.set('etag', chosen.etag)
    fields.set('last-modified', formatHttpDate(sending.modifiedMs))
    fields.set('accept-ranges', 'bytes')
  }
  return fields
}

async function sendWhole(
  blobs: BlobSource,
  request: FileRequest,
  status: number,
  fields: Fields,
  chosen: Representation,
): Promise<ViewerResponse> {
  if (request.method === 'HEAD') {
    setCacheStatus(fields, { kind: 'hit' })
    return { status, fields, body: NO_BODY }
  }
  const blob = await blobs.load(chosen.blob)
  setCacheStatus(fields, outcomeOf(blob))
  if (blob.kind === 'memory') return { status, fields, body: { kind: 'bytes', bytes: blob.bytes } }
  const stream = blob.handle.createReadStream({ highWaterMark: 128 * 1024 })
  return { status, fields, body: { kind: 'stream', stream, sizeBytes: chosen.blob.size } }
}

async function sendRanges(
  blobs: BlobSource,
  fields: Fields,
  chosen: Representation,
  ranges: readonly [ByteRange, ...ByteRange[]],
): Promise<ViewerResponse> {
  const { size } = chosen.blob
  const blob = await blobs.load(chosen.blob)
  setCacheStatus(fields, outcomeOf(blob))
  let heads: readonly string[] = ['']
  let end = ''
  let sizeBytes = ranges[0].last - ranges[0].first + 1
  if (ranges.length === 1) fields.set('content-range', formatContentRange(ranges[0], size))
  else {
    const boundary = randomBytes(BOUNDARY_BYTES).toString('hex')
    const type = fields.get('content-type') ?? 'application/octet-stream'
    const layout = layOutMultipart(ranges, size, type, boundary)
    ;({ heads, end, sizeBytes } = layout)
    fields.set('content-type', layout.contentType)
  }
  fields.set('content-length', String(sizeBytes))
  return { status: 206, fields, body: rangeBody(blob, ranges, heads, end, sizeBytes) }
}

function rangeBody(
  blob: LoadedBlob,
  ranges: readonly ByteRange[],
  heads: readonly string[],
  end: string,
  sizeBytes: number,
): ResponseBody {
  if (blob.kind === 'memory') {
    const parts = ranges.flatMap((range, index) => [
      Buffer.from(heads[index] ?? '', 'latin1'),
      blob.bytes.subarray(range.first, range.last + 1),
    ])
    return { kind: 'bytes', bytes: Buffer.concat([...parts, Buffer.from(end, 'latin1')]) }
  }
  const stream = Readable.from(readRanges(blob.handle, ranges, heads, end), { objectMode: false })
  // A generator that never started has no `finally` to run.
  stream.once('close', () => blob.handle.close().catch(() => {}))
  return { kind: 'stream', stream, sizeBytes }
}

async function* readRanges(
  handle: FileHandle,
  ranges: readonly ByteRange[],
  heads: readonly string[],
  end: string,
): AsyncGenerator<Uint8Array> {
  for (const [index, range] of ranges.entries()) {
    const head = heads[index] ?? ''
    if (head !== '') yield Buffer.from(head, 'latin1')
    yield* handle.createReadStream({
      start: range.first,
      end: range.last,
      autoClose: false,
      highWaterMark: 128 * 1024,
    })
  }
  if (end !== '') yield Buffer.from(end, 'latin1')
}

/** What a 304 carries: what a 200 would say of caching, and no word on the content (§15.4.5). */
function notModified(fields: Fields): ViewerResponse {
  for (const name of ['content-type', 'content-length', 'content-encoding', 'accept-ranges']) {
    fields.delete(name)
  }
  setCacheStatus(fields, { kind: 'hit' })
  return { status: 304, fields, body: NO_BODY }
}

/** For answers that have no representation: an empty body, not to be kept. */
function onlyGeneral(fields: Fields): Fields {
  for (const name of ['content-type', 'content-encoding', 'etag', 'last-modified']) {
    fields.delete(name)
  }
  return fields.set('content-length', '0').set('cache-control', 'no-cache')
}

function outcomeOf(blob: LoadedBlob): CacheOutcome {
  if (blob.kind === 'disk') return { kind: 'forward', reason: 'uri-miss' }
  if (blob.wasCached) return { kind: 'hit' }
  return { kind: 'forward', reason: 'uri-miss', isStored: true }
}

function setCacheStatus(fields: Fields, outcome: CacheOutcome): void {
  fields.set('cache-status', formatCacheStatus('mokapot', outcome))
  // A file's hash is checked against the live release at every request: it is as new as can be.
  if (outcome.kind === 'hit') fields.set('age', '0')
}
