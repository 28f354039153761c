import { describe, expect, it } from 'vitest'
import { AnswerCache, type EncodedAnswer } from './answer-cache.ts'

const answer = (octets: number): EncodedAnswer => ({
  octets: new Uint8Array(octets),
  requiredOctets: octets,
  additionalCount: 0,
  requiredAdditionalCount: 0,
})

describe('AnswerCache', () => {
  it('stays within twice its limit under a flood of names asked once', () => {
    const cache = new AnswerCache({ maxEntries: 10, maxOctets: 1 << 20 })
    for (let index = 0; index < 1000; index++) cache.set(`name-${index}`, answer(50))
    expect(cache.size).toBeLessThanOrEqual(20)
  })

  it('keeps an answer that is asked for through a flood', () => {
    const cache = new AnswerCache({ maxEntries: 10, maxOctets: 1 << 20 })
    const popular = answer(50)
    cache.set('popular', popular)
    for (let index = 0; index < 1000; index++) {
      cache.set(`name-${index}`, answer(50))
      expect(cache.get('popular')).toBe(popular)
    }
  })

  it('counts octets, so that few large answers cannot fill the memory', () => {
    const cache = new AnswerCache({ maxEntries: 1000, maxOctets: 100_000 })
    for (let index = 0; index < 100; index++) cache.set(`name-${index}`, answer(30_000))
    expect(cache.size).toBeLessThanOrEqual(6)
  })

  it('forgets what nobody asked for again', () => {
    const cache = new AnswerCache({ maxEntries: 2, maxOctets: 1 << 20 })
    for (const key of ['a', 'b', 'c', 'd', 'e']) cache.set(key, answer(1))
    expect(cache.get('a')).toBeUndefined()
    expect(cache.get('e')).toBeDefined()
  })
})
