import { createHash } from 'node:crypto'
import pLimit from 'p-limit'
import type { BlobUpload, UploadProgress } from '../../../../../control/cloud-api.ts'
import type { ReleaseFile } from '../../../../../releases/manifest.ts'
import { MokaError } from '../../../../../shared/errors.ts'
import { type ObjectHeaders, objectHeaders } from '../object-headers.ts'
import { type Bucket, type ListedObject, PARALLEL_REQUESTS, type UploadedPart } from './bucket.ts'
import { objectKey, type Placement } from './places.ts'

/** Larger ones are sent in parts, so that a broken connection costs one part. */
const WHOLE_BYTES = 32 * 1024 * 1024
/** S3 wants 5 MB at least, and takes 10,000 parts. */
const PART_BYTES = 8 * 1024 * 1024
const MAX_PARTS = 10_000
/** What is in memory of files under way, all together. */
const BYTES_UNDER_WAY = 64 * 1024 * 1024

export interface UploadSource {
  bucket: Bucket
  /** The release whose folder it goes to; undefined: the bucket's root. */
  release: string | undefined
  /** By SHA-256. */
  blobs: ReadonlyMap<string, BlobUpload>
  /** What an object is stored with. */
  headers?: (path: string, file: ReleaseFile) => ObjectHeaders
  /** Paths that are there as they would be sent. Default: looked for in the release's folder. */
  there?: ReadonlySet<string>
  /** Called before each write: throws when this deploy may not write any more. */
  check(): void
  onProgress?: (progress: UploadProgress) => void
}

/**
 * Sends what a release has that is nowhere yet, many at a time, each checked by its SHA-256. What a
 * deploy that was interrupted has sent to the same folder is not sent again, where content and
 * headers are the same.
 */
export async function uploadFiles(
  uploads: Placement['uploads'],
  source: UploadSource,
): Promise<void> {
  const there = source.there ?? (await findSent(uploads, source))
  const totalBytes = uploads.reduce((sum, { file }) => sum + file.size, 0)
  const progress = { blobs: 0, totalBlobs: uploads.length, sizeBytes: 0, totalBytes }
  const memory = new Budget(BYTES_UNDER_WAY)
  const send = async ({ path, file }: Placement['uploads'][number]) => {
    source.check()
    if (!there.has(path)) {
      await memory.using(Math.min(file.size, BYTES_UNDER_WAY), () => sendFile(path, file, source))
    }
    progress.blobs++
    progress.sizeBytes += file.size
    source.onProgress?.({ ...progress })
  }
  await inParallel(uploads, send)
}

function keyOf({ release }: UploadSource, path: string): string {
  return release === undefined ? path.slice(1) : objectKey(release, path)
}

/** Copies on the server what is in the bucket at another path. */
export async function copyFiles(
  copies: Placement['copies'],
  { bucket, release, check }: Pick<UploadSource, 'bucket' | 'check'> & { release: string },
): Promise<void> {
  await inParallel(copies, async ({ path, file, from }) => {
    check()
    await bucket.copy(from, objectKey(release, path), objectHeaders(path, file))
  })
}

/** The first failure ends it: what has not begun then does not begin. */
export async function inParallel<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const limit = pLimit(PARALLEL_REQUESTS)
  try {
    await Promise.all(items.map(item => limit(work, item)))
  } finally {
    limit.clearQueue()
  }
}

async function sendFile(path: string, file: ReleaseFile, source: UploadSource): Promise<void> {
  const blob = source.blobs.get(file.sha256)
  if (blob === undefined) {
    throw new MokaError(
      'DEPLOY_BLOB_UNKNOWN',
      `cannot upload "${path}": its content is not at hand`,
      { hint: 'deploy again' },
    )
  }
  const key = keyOf(source, path)
  const headers = (source.headers ?? objectHeaders)(path, file)
  if (file.size > WHOLE_BYTES) return sendParts(key, blob, headers, source)
  const chunks: Uint8Array[] = []
  for await (const chunk of chunksOf(blob)) chunks.push(chunk)
  const content = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
  if (sha256Of(content) !== file.sha256) throw hasChanged(path)
  await source.bucket.put(key, content, file.sha256, headers)
}

async function sendParts(
  key: string,
  blob: BlobUpload,
  headers: ReturnType<typeof objectHeaders>,
  { bucket, check }: UploadSource,
): Promise<void> {
  const upload = { key, id: await bucket.startParts(key, headers) }
  try {
    const whole = createHash('sha256')
    const parts: UploadedPart[] = []
    for await (const part of inPieces(chunksOf(blob), partBytes(blob.sizeBytes))) {
      check()
      whole.update(part)
      parts.push(await bucket.putPart(upload, parts.length + 1, part, sha256Of(part)))
    }
    if (whole.digest('hex') !== blob.sha256) throw hasChanged(key)
    await bucket.joinParts(upload, parts)
  } catch (error) {
    // What cannot be ended now, the bucket's lifecycle ends.
    await bucket.dropParts(upload).catch(() => {})
    throw error
  }
}

export function partBytes(sizeBytes: number): number {
  return Math.max(PART_BYTES, Math.ceil(sizeBytes / MAX_PARTS))
}

/** The same bytes in pieces of one size, but for the last. */
export async function* inPieces(
  chunks: AsyncIterable<Uint8Array>,
  sizeBytes: number,
): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = []
  let heldBytes = 0
  for await (let chunk of chunks) {
    while (heldBytes + chunk.length >= sizeBytes) {
      const taken = sizeBytes - heldBytes
      yield Buffer.concat([...held, chunk.subarray(0, taken)])
      chunk = chunk.subarray(taken)
      held = []
      heldBytes = 0
    }
    if (chunk.length === 0) continue
    held.push(chunk)
    heldBytes += chunk.length
  }
  if (heldBytes > 0) yield Buffer.concat(held)
}

/** Paths that an interrupted deploy has sent as this one would. */
async function findSent(
  uploads: Placement['uploads'],
  source: UploadSource,
): Promise<ReadonlySet<string>> {
  const { bucket, release, blobs } = source
  if (release === undefined) return new Set()
  const folder = objectKey(release, '/')
  const listed = new Map((await bucket.list(folder)).map(object => [object.key, object]))
  if (listed.size === 0) return new Set()
  const sent: Placement['uploads'] = []
  for (const upload of uploads) {
    const object = listed.get(objectKey(release, upload.path))
    const blob = blobs.get(upload.file.sha256)
    if (object !== undefined && blob !== undefined && (await isSame(object, blob))) {
      sent.push(upload)
    }
  }
  const kinds = await wrongKinds(sent, source)
  return new Set(sent.filter(upload => !kinds.has(kindOf(upload))).map(({ path }) => path))
}

/** As S3 tells it of an object with this content; see `StoredHead`. */
export async function checksumOf(blob: BlobUpload): Promise<string> {
  if (blob.sizeBytes <= WHOLE_BYTES) return Buffer.from(blob.sha256, 'hex').toString('base64')
  return digestInParts(blob, 'sha256', 'base64')
}

/** Of an upload in parts: the digest of its parts' digests, and how many there are. */
async function digestInParts(
  blob: BlobUpload,
  algorithm: 'sha256' | 'md5',
  encoding: 'base64' | 'hex',
): Promise<string> {
  const whole = createHash(algorithm)
  let count = 0
  for await (const part of inPieces(chunksOf(blob), partBytes(blob.sizeBytes))) {
    whole.update(createHash(algorithm).update(part).digest())
    count++
  }
  return `${whole.digest(encoding)}-${count}`
}

async function isSame(object: ListedObject, blob: BlobUpload): Promise<boolean> {
  if (object.sizeBytes !== blob.sizeBytes) return false
  if (blob.sizeBytes > WHOLE_BYTES) return (await digestInParts(blob, 'md5', 'hex')) === object.etag
  const whole = createHash('md5')
  for await (const chunk of chunksOf(blob)) whole.update(chunk)
  return whole.digest('hex') === object.etag
}

/** A listing does not tell headers. Those that were sent alike have the same, so one of each is asked. */
async function wrongKinds(
  sent: Placement['uploads'],
  source: UploadSource,
): Promise<ReadonlySet<string>> {
  const samples = new Map(sent.map(upload => [kindOf(upload), upload]))
  const wrong = new Set<string>()
  await inParallel([...samples], async ([kind, { path, file }]) => {
    const found = await source.bucket.head(keyOf(source, path))
    const { contentType, cacheControl } = objectHeaders(path, file)
    const isRight = found?.contentType === contentType && found.cacheControl === cacheControl
    if (!isRight) wrong.add(kind)
  })
  return wrong
}

function kindOf({ path, file }: Placement['uploads'][number]): string {
  return JSON.stringify(objectHeaders(path, file))
}

async function* chunksOf(blob: BlobUpload): AsyncGenerator<Uint8Array> {
  const content = blob.open()
  if (content instanceof Uint8Array) yield content
  else yield* content
}

function sha256Of(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

function hasChanged(path: string): MokaError {
  return new MokaError(
    'DEPLOY_FILE_CHANGED',
    `cannot upload "${path}": it changed while it was being read`,
    { hint: 'nothing went live; deploy again when nothing writes into the folder' },
  )
}

/** Lets in so much at a time; one that is larger than all goes alone. */
class Budget {
  readonly #max: number
  #used = 0
  readonly #waiting: (() => void)[] = []

  constructor(max: number) {
    this.#max = max
  }

  async using<T>(amount: number, work: () => Promise<T>): Promise<T> {
    while (this.#used > 0 && this.#used + amount > this.#max) {
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
    this.#used += amount
    try {
      return await work()
    } finally {
      this.#used -= amount
      for (const wake of this.#waiting.splice(0)) wake()
    }
  }
}
