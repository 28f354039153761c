import type { Writable } from 'node:stream'

/**
 * Resolves when the stream has handed on what was written so far, or cannot any more. What
 * Node has not handed on to a pipe is lost at `process.exit`.
 */
export function flush(stream: Writable): Promise<void> {
  if (stream.destroyed || stream.writableLength === 0) return Promise.resolve()
  return new Promise(resolve => {
    stream.write('', () => resolve())
    stream.once('close', resolve)
  })
}
