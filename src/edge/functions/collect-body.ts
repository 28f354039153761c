import { pipeline, type Readable, Transform } from 'node:stream'

/**
 * Passes a body on and keeps a copy. `onWhole` gets all of it once the origin ended properly, and
 * never where it broke off, was given up, or is longer than `maxBytes`; `onClose` runs always.
 */
export function collectBody(
  body: Readable,
  maxBytes: number,
  onWhole: (bytes: Uint8Array) => void,
  onClose: () => void,
): Readable {
  let chunks: Uint8Array[] | undefined = []
  let size = 0
  const copy = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      size += chunk.byteLength
      if (size > maxBytes) chunks = undefined
      else chunks?.push(chunk)
      done(null, chunk)
    },
    flush(done) {
      if (chunks !== undefined) onWhole(Buffer.concat(chunks))
      done()
    },
  })
  pipeline(body, copy, () => {})
  copy.once('close', onClose)
  return copy
}
