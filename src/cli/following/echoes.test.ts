import { beforeEach, expect, it } from 'vitest'
import { Echoes } from './echoes.ts'

let echoes: Echoes
let nowMs: number
beforeEach(() => {
  echoes = new Echoes()
  nowMs = 0
})

/** So many runs, each of which the one before may have started; how many of them were begun. */
function runs(count: number, paths: string[], afterMs: number, hasReleased = false): number {
  let begun = 0
  for (let index = 0; index < count; index++) {
    nowMs += afterMs
    if (!echoes.isNews(new Set(paths), nowMs)) continue
    begun++
    echoes.ended(hasReleased, nowMs)
  }
  return begun
}

it('ends what starts itself again and again, and makes no release', () => {
  expect(runs(50, ['out.txt'], 100)).toBe(5)
  nowMs += 60_000
  expect(runs(1, ['out.txt'], 0)).toBe(0)
})

it('begins anew when something else changes', () => {
  runs(50, ['out.txt'], 100)
  expect(runs(1, ['page.html'], 100)).toBe(1)
  expect(runs(1, ['out.txt'], 100)).toBe(1)
  runs(50, ['out.txt'], 100)
  expect(runs(1, ['out.txt', 'page.html'], 100)).toBe(1)
})

it('takes no person’s changes for that: later ones, and those that make releases', () => {
  expect(runs(50, ['page.html'], 1000)).toBe(50)
  expect(runs(50, ['page.html'], 100, true)).toBe(50)
})
