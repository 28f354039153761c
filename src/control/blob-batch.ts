import { MokaError } from '../shared/errors.ts'
import type { BlobUpload } from './cloud-api.ts'

// Many blobs in one request body: for each, `<sha256> <size in octets>\n` and the octets.

const HEADER = /^([0-9a-f]{64}) (0|[1-9]\d{0,14})$/
const MAX_HEADER_BYTES = 64 + 1 + 15 // hash, space, size
/** Small blobs and what stands before them go together: each chunk is a write of its own. */
const CHUNK_BYTES = 64 * 1024

/** Encodes blobs as a stream of chunks. Throws when a blob's bytes differ from its size. */
export async function* encodeBlobBatch(blobs: Iterable<BlobUpload>): AsyncGenerator<Uint8Array> {
  let waiting: Uint8Array[] = []
  let waitingBytes = 0
  const take = (): Uint8Array => {
    const [first = new Uint8Array(), ...rest] = waiting
    const chunk = rest.length === 0 ? first : Buffer.concat(waiting, waitingBytes)
    waiting = []
    waitingBytes = 0
    return chunk
  }
  for (const blob of blobs) {
    const header = Buffer.from(`${blob.sha256} ${blob.sizeBytes}\n`, 'latin1')
    waiting.push(header)
    waitingBytes += header.byteLength
    const content = blob.open()
    let sent = 0
    if (content instanceof Uint8Array) {
      sent = content.byteLength
      waiting.push(content)
      waitingBytes += sent
      if (waitingBytes >= CHUNK_BYTES) yield take()
    } else {
      yield take()
      for await (const chunk of content) {
        sent += chunk.byteLength
        yield chunk
      }
    }
    if (sent !== blob.sizeBytes) {
      throw new MokaError(
        'CONTROL_FILE_CHANGED',
        `cannot upload a file of ${blob.sizeBytes} bytes: it has ${sent} now`,
        { hint: 'it changed during the deploy; deploy again' },
      )
    }
  }
  if (waitingBytes > 0) yield take()
}

export interface ReceivedBlob {
  sha256: string
  sizeBytes: number
  /** The octets; to be read to their end before the next blob is asked for. */
  content: AsyncIterable<Uint8Array>
}

/** Decodes the stream blob by blob. Throws `CONTROL_BAD_BATCH` on anything malformed or cut off. */
export async function* decodeBlobBatch(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<ReceivedBlob> {
  const reader = new ChunkReader(source)
  for (;;) {
    const header = await reader.readLine(MAX_HEADER_BYTES)
    if (header === undefined) return
    const match = HEADER.exec(header)
    if (match === null) throw malformed('a header is not "<sha256> <size>"')
    const sizeBytes = Number(match[2])
    yield { sha256: match[1]!, sizeBytes, content: reader.readBytes(sizeBytes) }
  }
}

class ChunkReader {
  readonly #source: AsyncIterator<Uint8Array>
  #rest: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** A line without its end, or undefined at the end of the source. */
  async readLine(maxBytes: number): Promise<string | undefined> {
    for (;;) {
      const end = this.#rest.indexOf(10)
      if (end > maxBytes || (end < 0 && this.#rest.length > maxBytes)) {
        throw malformed('a header is too long')
      }
      if (end >= 0) {
        const line = this.#rest.toString('latin1', 0, end)
        this.#rest = this.#rest.subarray(end + 1)
        return line
      }
      const chunk = await this.#next()
      if (chunk === undefined) {
        if (this.#rest.length === 0) return undefined
        throw malformed('it ends within a header')
      }
      this.#rest = Buffer.concat([this.#rest, chunk])
    }
  }

  async *readBytes(count: number): AsyncGenerator<Uint8Array> {
    let left = count
    while (left > 0) {
      const chunk = this.#rest.length > 0 ? this.#rest : await this.#next()
      if (chunk === undefined) throw malformed(`it ends ${left} bytes early`)
      this.#rest = chunk.subarray(left)
      const taken = chunk.subarray(0, left)
      left -= taken.length
      yield taken
    }
  }

  async #next(): Promise<Buffer | undefined> {
    const { done, value } = await this.#source.next()
    if (done) return undefined
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  }
}

function malformed(what: string): MokaError {
  return new MokaError('CONTROL_BAD_BATCH', `cannot read uploaded blobs: ${what}`, {
    hint: 'the connection may have broken; deploy again, only what is missing is sent',
  })
}
