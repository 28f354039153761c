import { expect, it } from 'vitest'
import { BodyBudget } from './body-budget.ts'

it('lets bodies in until their sum is reached, and again when one has gone', () => {
  const budget = new BodyBudget(100, 10)
  const [first, second] = [budget.open(), budget.open()]
  expect([first.grow(60), second.grow(40), second.grow(41)]).toEqual([true, true, false])
  expect(budget.takenBytes).toBe(100)
  first.release()
  first.release()
  expect(budget.takenBytes).toBe(40)
  expect(second.grow(100)).toBe(true)
})

it('counts what a body has grown to, not each of its pieces', () => {
  const budget = new BodyBudget(100, 10)
  const share = budget.open()
  for (const size of [20, 40, 60]) expect(share.grow(size)).toBe(true)
  expect(budget.takenBytes).toBe(60)
})

it('never refuses small bodies', () => {
  const budget = new BodyBudget(100, 10)
  budget.open().grow(100)
  expect([budget.open().fits(10), budget.open().grow(10)]).toEqual([true, true])
  expect([budget.open().fits(11), budget.open().grow(11)]).toEqual([false, false])
})
