import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createLogger } from '../../shared/logger.ts'
import { RateCounter, RateDesk } from './rate-desk.ts'
import type { RateQuestion } from './worker-protocol.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const LIMIT = { count: 3, periodSeconds: 10 }

function worker(ask: (question: RateQuestion) => void) {
  const log: string[] = []
  return {
    log,
    counter: new RateCounter(
      ask,
      createLogger(line => log.push(line)),
    ),
  }
}

test('a limit holds over all workers together', async () => {
  const desk = new RateDesk(() => 0)
  const workers = [1, 2].map(() => {
    const one = worker(question => queueMicrotask(() => one.counter.settle(desk.answer(question))))
    return one.counter
  })
  const decisions = await Promise.all([0, 1, 0, 1].map(index => workers[index]!.take('a', LIMIT)))
  expect(decisions.map(decision => decision.isAllowed)).toEqual([true, true, true, false])
  expect(decisions[3]).toEqual({ isAllowed: false, remaining: 0, resetSeconds: 10 })
  expect((await workers[0]!.take('b', LIMIT)).remaining).toBe(2)
})

test('answers find their questions, in whatever order they come', async () => {
  const asked: RateQuestion[] = []
  const { counter } = worker(question => asked.push(question))
  const both = Promise.all([counter.take('a', LIMIT), counter.take('b', LIMIT)])
  for (const { question, key } of asked.toReversed()) {
    const decision = { isAllowed: key === 'a', remaining: 1, resetSeconds: 1 }
    counter.settle({ kind: 'rate', question, decision })
  }
  expect((await both).map(decision => decision.isAllowed)).toEqual([true, false])
})

test('a supervisor that does not answer keeps nobody out, and the log says so once a minute', async () => {
  const { counter, log } = worker(() => {})
  const taken = Promise.all(Array.from({ length: 20 }, () => counter.take('a', LIMIT)))
  await vi.advanceTimersByTimeAsync(500)
  expect((await taken).every(decision => decision.isAllowed)).toBe(true)
  expect(log).toEqual(['warn requests are let in uncounted: the supervisor does not answer\n'])
  counter.settle({ kind: 'rate', question: 1, decision: (await taken)[0]! })
})

test('no more questions wait than the supervisor could ever answer', async () => {
  const asked: number[] = []
  const { counter } = worker(({ question }) => asked.push(question))
  const taken = Array.from({ length: 10_100 }, () => counter.take('a', LIMIT))
  expect(asked).toHaveLength(10_000)
  expect((await taken.at(-1))?.isAllowed).toBe(true)
  const decision = { isAllowed: false, remaining: 0, resetSeconds: 1 }
  for (const question of asked) counter.settle({ kind: 'rate', question, decision })
  const allowed = (await Promise.all(taken)).filter(({ isAllowed }) => isAllowed)
  expect(allowed).toHaveLength(100)
})
