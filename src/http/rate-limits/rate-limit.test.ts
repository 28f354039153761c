import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { clientKey, RateLimiter } from './rate-limit.ts'
import { rateLimitFields } from './rate-limit-fields.ts'

const FIVE_A_MINUTE = { count: 5, periodSeconds: 60 }

describe('RateLimiter', () => {
  it('lets five through in a minute and says when the sixth may come', () => {
    const limiter = new RateLimiter()
    const left = [0, 1000, 2000, 3000, 4000].map(now => limiter.take('a', FIVE_A_MINUTE, now))
    expect(left.map(decision => decision.remaining)).toEqual([4, 3, 2, 1, 0])
    expect(limiter.take('a', FIVE_A_MINUTE, 4001)).toEqual({
      isAllowed: false,
      remaining: 0,
      resetSeconds: 56,
    })
    expect(limiter.take('a', FIVE_A_MINUTE, 59_999).isAllowed).toBe(false)
    expect(limiter.take('a', FIVE_A_MINUTE, 60_000).isAllowed).toBe(true)
    expect(limiter.take('a', FIVE_A_MINUTE, 60_001).isAllowed).toBe(false)
  })

  it('does not count refused calls', () => {
    const limiter = new RateLimiter()
    for (let call = 0; call < 5; call++) limiter.take('a', FIVE_A_MINUTE, 0)
    for (let now = 1; now < 60_000; now += 100) limiter.take('a', FIVE_A_MINUTE, now)
    expect(limiter.take('a', FIVE_A_MINUTE, 60_000).remaining).toBe(4)
  })

  it('counts callers apart', () => {
    const limiter = new RateLimiter()
    for (let call = 0; call < 6; call++) limiter.take('a', FIVE_A_MINUTE, 0)
    expect(limiter.take('b', FIVE_A_MINUTE, 0).remaining).toBe(4)
  })

  it('never lets more than the count through in any window, and keeps nobody out for no reason', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 200 })
    fc.assert(
      fc.property(gaps, fc.integer({ min: 1, max: 7 }), (steps, count) => {
        const limiter = new RateLimiter()
        const limit = { count, periodSeconds: 5 }
        const passed: number[] = []
        let now = 1_000_000
        for (const step of steps) {
          now += step
          const inWindow = passed.filter(time => time > now - 5000).length
          const { isAllowed } = limiter.take('a', limit, now)
          expect(isAllowed).toBe(inWindow < count)
          if (isAllowed) passed.push(now)
        }
      }),
    )
  })

  it('is right when it says how long to wait', () => {
    const limiter = new RateLimiter()
    for (let call = 0; call < 5; call++) limiter.take('a', FIVE_A_MINUTE, call * 137)
    const { resetSeconds } = limiter.take('a', FIVE_A_MINUTE, 1234)
    expect(limiter.take('a', FIVE_A_MINUTE, 1234 + resetSeconds * 1000).isAllowed).toBe(true)
  })

  it('forgets who has been silent longest when there are too many callers', () => {
    const limiter = new RateLimiter({ maxCallers: 3 })
    const one = { count: 1, periodSeconds: 60 }
    for (const [now, key] of ['a', 'b', 'c', 'd'].entries()) limiter.take(key, one, now)
    expect(limiter.size).toBe(3)
    expect(limiter.take('d', one, 10).isAllowed).toBe(false)
    expect(limiter.take('b', one, 10).isAllowed).toBe(false)
    expect(limiter.take('a', one, 10).isAllowed).toBe(true)
  })

  it('bounds the calls it remembers', () => {
    const limiter = new RateLimiter({ maxTimes: 100 })
    const many = { count: 60, periodSeconds: 60 }
    for (const key of ['a', 'b', 'c']) {
      for (let call = 0; call < 60; call++) limiter.take(key, many, call)
    }
    expect(limiter.size).toBe(1)
  })
})

describe('clientKey', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002:ffff::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::203.0.113.7', '64:ff9b:0:0::/64'],
  ])('counts %s as %s', (address, key) => {
    expect(clientKey(address)).toBe(key)
  })
})

it('writes the RateLimit fields as structured fields', () => {
  const limit = { ...FIVE_A_MINUTE, per: 'client' as const }
  const decision = { isAllowed: false, remaining: 0, resetSeconds: 42 }
  expect(rateLimitFields(limit, decision)).toEqual([
    ['ratelimit-policy', '"client";q=5;w=60'],
    ['ratelimit', '"client";r=0;t=42'],
  ])
})
