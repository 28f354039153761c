import { setMaxListeners } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { expect, it, vi } from 'vitest'
import { ProjectQueue } from './queue.ts'

const never = new AbortController().signal
setMaxListeners(0, never)
const options = (onWait: (ahead: string) => void = () => {}, signal = never) => ({ onWait, signal })

it('lets one at a time of each project in, in the order in which they came', async () => {
  const queue = new ProjectQueue()
  const order: string[] = []
  const first = await queue.enter('a', 'first', options())
  const others = ['second', 'third'].map(label =>
    queue.enter('a', label, options()).then(end => {
      order.push(label)
      end()
    }),
  )
  await queue.enter('b', 'of another project', options())
  await setImmediate()
  expect(order).toEqual([])
  first()
  await Promise.all(others)
  expect(order).toEqual(['second', 'third'])
})

it('tells who has to wait for whom, if it takes a moment', async () => {
  vi.useFakeTimers()
  try {
    const queue = new ProjectQueue()
    const told: string[] = []
    const first = await queue.enter('a', 'the first', options())
    const second = queue.enter(
      'a',
      'the second',
      options(ahead => told.push(ahead)),
    )
    await vi.advanceTimersByTimeAsync(1000)
    expect(told).toEqual(['the first'])
    const third = queue.enter(
      'a',
      'the third',
      options(ahead => told.push(ahead)),
    )
    first()
    ;(await second)()
    ;(await third)()
    await vi.advanceTimersByTimeAsync(1000)
    expect(told).toEqual(['the first'])
  } finally {
    vi.useRealTimers()
  }
})

it('goes past one that gave up waiting, and not before the one that has the turn', async () => {
  const queue = new ProjectQueue()
  const abort = new AbortController()
  const first = await queue.enter('a', 'first', options())
  const second = queue.enter('a', 'second', options(undefined, abort.signal))
  let isIn = false
  const third = queue.enter('a', 'third', options()).then(() => {
    isIn = true
  })
  abort.abort(new Error('left'))
  await expect(second).rejects.toThrow('left')
  await setImmediate()
  expect(isIn).toBe(false)
  first()
  await third
})

it('refuses more than a project can have waiting', async () => {
  const queue = new ProjectQueue()
  await queue.enter('a', 'first', options())
  for (let count = 0; count < 20; count++) void queue.enter('a', 'more', options())
  await expect(queue.enter('a', 'one too many', options())).rejects.toMatchObject({
    code: 'PIPELINE_TOO_MANY',
  })
})
