import { expect, it } from 'vitest'
import { fairShare } from './fair-share.ts'

const share = (busy: Record<string, number>, active: string[] = [], places = 30) =>
  fairShare(places, 'mine', new Map(Object.entries(busy)), new Set(active))

it('is everything for who is alone', () => {
  expect(share({})).toBe(30)
  expect(share({ mine: 30 }, ['mine'])).toBe(30)
})

it('leaves each other active project half of an equal share, used or not', () => {
  expect(share({ mine: 3 }, ['other'])).toBe(23)
  expect(share({ mine: 3, other: 2 }, ['other'])).toBe(23)
  expect(share({}, ['b', 'c'])).toBe(20)
  expect(share({}, ['b', 'c', 'd', 'e', 'f'])).toBe(20)
})

it('is at least half of all places while the others keep to what is kept for them', () => {
  for (let count = 1; count < 40; count++) {
    expect(
      share(
        {},
        Array.from({ length: count }, (_, index) => `p${index}`),
      ),
    ).toBeGreaterThan(14)
  }
})

it('counts what others really use where that is more', () => {
  expect(share({ other: 20 }, ['other'])).toBe(10)
  expect(share({ other: 23, third: 7 })).toBe(0)
})

it('keeps nothing where there are fewer places than projects', () => {
  expect(share({}, ['other'], 1)).toBe(1)
})
