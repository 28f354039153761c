import { PassThrough, type Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { SharedFill } from './shared-fill.ts'

function fillOf(source: Readable, maxBytes = 1e6) {
  const outcome = { whole: undefined as string | undefined, closed: 0 }
  const fill = new SharedFill(source, {
    maxBytes,
    onWhole: bytes => {
      outcome.whole = Buffer.from(bytes).toString()
    },
    onClose: () => outcome.closed++,
  })
  return { fill, outcome }
}

test('everybody gets all of it, also who comes in the middle and after the end', async () => {
  const source = new PassThrough()
  const { fill, outcome } = fillOf(source)
  const first = text(fill.join())
  source.write('a')
  await new Promise(setImmediate)
  const second = text(fill.join())
  source.end('b')
  expect(await Promise.all([first, second])).toEqual(['ab', 'ab'])
  expect(await text(fill.join())).toBe('ab')
  expect(outcome).toEqual({ whole: 'ab', closed: 1 })
})

test('one that breaks off breaks off for all, and is not whole', async () => {
  const source = new PassThrough()
  const { fill, outcome } = fillOf(source)
  const readers = [text(fill.join()), text(fill.join())]
  source.write('a')
  source.destroy(new Error('gone'))
  for (const reader of readers) await expect(reader).rejects.toThrow('gone')
  expect(outcome).toEqual({ whole: undefined, closed: 1 })
  expect(fill.isJoinable).toBe(false)
})

test('the origin is let go when the last reader leaves, unless it is detached', async () => {
  for (const isDetached of [false, true]) {
    const source = new PassThrough()
    const { fill, outcome } = fillOf(source)
    fill.isDetached = isDetached
    const [first, second] = [fill.join(), fill.join()]
    first.destroy()
    expect(source.destroyed).toBe(false)
    second.destroy()
    expect(source.destroyed).toBe(!isDetached)
    if (isDetached) {
      source.end('x')
      await new Promise(resolve => source.once('close', resolve))
    }
    expect(outcome).toEqual({ whole: isDetached ? 'x' : undefined, closed: 1 })
  }
})

test('what is too long to be kept waits for its readers, and nobody joins any more', async () => {
  const source = new PassThrough({ highWaterMark: 1024 })
  const { fill, outcome } = fillOf(source, 10_000)
  const reader = fill.join()
  let written = 0
  for (let i = 0; i < 100; i++) {
    source.write('x'.repeat(100_000))
    written += 100_000
    await new Promise(setImmediate)
  }
  // Nobody has read: most of it stays with the origin.
  expect(source.writableLength + source.readableLength).toBeGreaterThan(written / 2)
  expect(fill.isJoinable).toBe(false)
  source.end()
  expect(await text(reader)).toHaveLength(written)
  expect(outcome).toEqual({ whole: undefined, closed: 1 })
})
