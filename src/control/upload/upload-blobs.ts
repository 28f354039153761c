import { createHash } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { MokaError } from '../../shared/errors.ts'
import { encodeBlobBatch } from '../blob-batch.ts'
import type { BlobName, BlobUpload, UploadProgress } from '../cloud-api.ts'

/** One request carries about this much, so that a broken connection costs little. */
const BATCH_BYTES = 8 * 1024 * 1024
const BATCH_BLOBS = 1000
const PARALLEL_BATCHES = 3
/** A large blob that did not get through is sent in pieces of this size, which are blobs as well. */
const PART_BYTES = 4 * 1024 * 1024
const LARGE_BYTES = 2 * PART_BYTES
/** Waits between attempts double up to the last. */
const FIRST_WAIT_MS = 200
const LONGEST_WAIT_MS = 5000
/** Attempts for a batch that arrives otherwise than it was sent. */
const MAX_CORRUPT = 3

/** What says that the connection failed, and not the cloud. */
const BROKEN: ReadonlySet<string> = new Set([
  'CONTROL_UNREACHABLE',
  'CONTROL_CUT_OFF',
  'CONTROL_BAD_BATCH',
  'CLOUD_PARTS_MISSING', // swept in between
])
/** The bytes changed on the way, or in the folder. */
const CORRUPT = 'BUCKET_HASH_MISMATCH'

/** How blobs get to the cloud. */
export interface UploadDoor {
  /** One request with many blobs. */
  send(content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>
  missing(blobs: readonly BlobName[]): Promise<string[]>
  /** Makes one blob of those that are there. */
  join(sha256: string, parts: readonly string[]): Promise<void>
  /** Where it leads, for people. */
  origin: string
  /** So long nothing may get through before the upload is given up. */
  patienceMs: number
}

/**
 * Sends blobs, some requests at a time. After a broken connection the cloud is asked what has arrived,
 * and the rest is sent again, large blobs in parts, as long as something gets through once in a while. Throws
 * `CONTROL_UPLOAD_BROKEN` when nothing does; what has arrived stays there.
 */
export async function uploadBlobs(
  door: UploadDoor,
  blobs: Iterable<BlobUpload>,
  onProgress?: (progress: UploadProgress) => void,
): Promise<void> {
  const upload = new Upload(door, [...blobs], onProgress)
  await upload.run()
}

class Upload {
  readonly #door: UploadDoor
  readonly #blobs: readonly BlobUpload[]
  readonly #onProgress: ((progress: UploadProgress) => void) | undefined
  readonly #abort = new AbortController()
  readonly #totalBytes: number
  #storedBlobs = 0
  #storedBytes = 0
  /** Of requests under way. */
  #sentBytes = 0
  /** When the first of the failures was, since something got through. */
  #brokenSinceMs: number | undefined
  #failures = 0
  #failuresInARow = 0

  constructor(
    door: UploadDoor,
    blobs: readonly BlobUpload[],
    onProgress: ((progress: UploadProgress) => void) | undefined,
  ) {
    this.#door = door
    this.#blobs = blobs
    this.#onProgress = onProgress
    this.#totalBytes = blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  }

  async run(): Promise<void> {
    const batches = intoBatches(this.#blobs)
    const work = async () => {
      for (const batch of batches) await this.#deliver(batch)
    }
    try {
      await Promise.all(Array.from({ length: PARALLEL_BATCHES }, work))
    } finally {
      this.#abort.abort()
    }
  }

  async #deliver(batch: readonly BlobUpload[]): Promise<void> {
    let left = batch
    let corrupt = 0
    for (let attempt = 0; left.length > 0; attempt++) {
      try {
        if (attempt > 0) left = await this.#deliverLarge(await this.#ask(left))
        if (left.length > 0) await this.#send(left)
        this.#stored(left)
        left = []
      } catch (error) {
        const code = error instanceof MokaError ? error.code : ''
        const isCorrupt = code === CORRUPT && ++corrupt < MAX_CORRUPT
        if ((!BROKEN.has(code) && !isCorrupt) || this.#abort.signal.aborted) throw error
        await this.#recover(error)
      }
    }
  }

  /** Which of them did not arrive. */
  async #ask(batch: readonly BlobUpload[]): Promise<readonly BlobUpload[]> {
    const left = await this.#stillMissing(batch)
    if (left.length < batch.length) this.#stored(without(batch, left))
    return left
  }

  /** Delivers the large ones, of which a whole does not get through; the others are left. */
  async #deliverLarge(batch: readonly BlobUpload[]): Promise<readonly BlobUpload[]> {
    const large = batch.filter(({ sizeBytes }) => sizeBytes > LARGE_BYTES)
    for (const blob of large) {
      await this.#sendInParts(blob)
      this.#stored([blob])
    }
    return without(batch, large)
  }

  async #sendInParts(blob: BlobUpload): Promise<void> {
    const parts: string[] = []
    let doneBytes = 0
    try {
      for await (const bytes of inParts(blob)) {
        const sha256 = createHash('sha256').update(bytes).digest('hex')
        const part = { sha256, sizeBytes: bytes.length, open: () => bytes }
        parts.push(sha256)
        if ((await this.#stillMissing([part])).length > 0) {
          await this.#send([part])
          this.#gotThrough()
        }
        doneBytes += bytes.length
        this.#sentBytes += bytes.length
        this.#report()
      }
      await this.#door.join(blob.sha256, parts)
    } finally {
      this.#sentBytes -= doneBytes
    }
  }

  async #stillMissing(blobs: readonly BlobUpload[]): Promise<readonly BlobUpload[]> {
    const names = blobs.map(({ sha256, sizeBytes }) => ({ sha256, sizeBytes }))
    const missing = new Set(await this.#door.missing(names))
    return blobs.filter(({ sha256 }) => missing.has(sha256))
  }

  async #send(batch: readonly BlobUpload[]): Promise<void> {
    let sentBytes = 0
    const count = async function* (this: Upload) {
      for await (const chunk of encodeBlobBatch(batch)) {
        sentBytes += chunk.length
        this.#sentBytes += chunk.length
        this.#report()
        yield chunk
      }
    }
    try {
      await this.#door.send(count.call(this), this.#abort.signal)
    } finally {
      this.#sentBytes -= sentBytes
    }
  }

  #stored(blobs: readonly BlobUpload[]): void {
    if (blobs.length === 0) return
    this.#gotThrough()
    this.#storedBlobs += blobs.length
    for (const { sizeBytes } of blobs) this.#storedBytes += sizeBytes
    this.#report()
  }

  #gotThrough(): void {
    this.#brokenSinceMs = undefined
    this.#failuresInARow = 0
  }

  #report(): void {
    this.#onProgress?.({
      blobs: this.#storedBlobs,
      totalBlobs: this.#blobs.length,
      sizeBytes: Math.min(this.#storedBytes + this.#sentBytes, this.#totalBytes),
      totalBytes: this.#totalBytes,
    })
  }

  /** Waits a while, or throws that the upload is given up. */
  async #recover(error: unknown): Promise<void> {
    this.#failures++
    this.#brokenSinceMs ??= performance.now()
    const waitMs = Math.min(FIRST_WAIT_MS * 2 ** this.#failuresInARow++, LONGEST_WAIT_MS)
    const endMs = this.#brokenSinceMs + this.#door.patienceMs
    if (performance.now() + waitMs > endMs) throw this.#givenUp(error)
    await wait(waitMs, undefined, { signal: this.#abort.signal })
  }

  #givenUp(cause: unknown): MokaError {
    const reason = cause instanceof Error ? cause.message.replace(/^.*": /, '') : String(cause)
    const size = (bytes: number) => (bytes / 1e6).toFixed(1)
    return new MokaError(
      'CONTROL_UPLOAD_BROKEN',
      `cannot upload to the cloud at "${this.#door.origin}": the connection broke ${this.#failures} times, last: ${reason}; ${this.#storedBlobs} of ${this.#blobs.length} objects are there, ${size(this.#storedBytes)} of ${size(this.#totalBytes)} MB`,
      {
        hint: 'nothing has changed for visitors; deploy again when the network is better: it goes on from there',
        cause,
      },
    )
  }
}

/** The bytes of a blob, some at a time. */
async function* inParts(blob: BlobUpload): AsyncGenerator<Buffer> {
  const content = blob.open()
  let waiting: Uint8Array[] = []
  let waitingBytes = 0
  for await (const chunk of content instanceof Uint8Array ? [content] : content) {
    waiting.push(chunk)
    waitingBytes += chunk.length
    if (waitingBytes < PART_BYTES) continue
    const bytes = Buffer.concat(waiting)
    let at = 0
    for (; bytes.length - at >= PART_BYTES; at += PART_BYTES) {
      yield bytes.subarray(at, at + PART_BYTES)
    }
    waiting = [bytes.subarray(at)]
    waitingBytes = bytes.length - at
  }
  if (waitingBytes > 0) yield Buffer.concat(waiting)
}

function without(all: readonly BlobUpload[], some: readonly BlobUpload[]): readonly BlobUpload[] {
  const left = new Set(some)
  return all.filter(blob => !left.has(blob))
}

function* intoBatches(blobs: Iterable<BlobUpload>): Generator<BlobUpload[]> {
  let batch: BlobUpload[] = []
  let sizeBytes = 0
  for (const blob of blobs) {
    batch.push(blob)
    sizeBytes += blob.sizeBytes
    if (sizeBytes < BATCH_BYTES && batch.length < BATCH_BLOBS) continue
    yield batch
    batch = []
    sizeBytes = 0
  }
  if (batch.length > 0) yield batch
}
