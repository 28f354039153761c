import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { flush } from './flush.ts'

describe('flush', () => {
  it('waits until a slow reader has taken everything', async () => {
    const taken: string[] = []
    const slow = new Writable({
      write(chunk, _encoding, done) {
        taken.push(String(chunk))
        setImmediate(done)
      },
    })
    slow.write('one')
    slow.write('two')
    expect(taken).toEqual(['one'])
    await flush(slow)
    expect(taken.join('')).toBe('onetwo')
  })

  it('does not wait for a reader that went away', async () => {
    const broken = new Writable({
      write: (_chunk, _encoding, done) => void setImmediate(() => done(new Error('EPIPE'))),
    })
    broken.on('error', () => {})
    broken.write('one')
    await flush(broken)
    await flush(broken)
  })
})
