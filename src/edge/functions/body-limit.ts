import { type Readable, Transform } from 'node:stream'

/** The body is longer than may be. */
export class BodyTooLargeError extends Error {
  constructor(maxBytes: number) {
    super(`body exceeds ${maxBytes} bytes`)
    this.name = 'BodyTooLargeError'
  }
}

/** The same bytes, failing with `BodyTooLargeError` as soon as there are too many. */
export function limitBody(body: Readable, maxBytes: number): Readable {
  let seen = 0
  const limited = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      seen += chunk.byteLength
      if (seen > maxBytes) done(new BodyTooLargeError(maxBytes))
      else done(null, chunk)
    },
  })
  body.once('error', error => limited.destroy(error))
  // A viewer that leaves mid-body ends nothing: 'close' comes without 'end'.
  body.once('close', () => {
    if (!body.readableEnded) limited.destroy(new Error('the viewer broke off'))
  })
  return body.pipe(limited)
}
