import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type IssuanceState,
  type NextAction,
  nextAction,
  renewalTime,
  retryTime,
} from './schedule.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** Day 100: there is room on both sides. */
const NOW = 100 * DAY

/** Valid for 90 days, of which `left` are left. */
const valid = (left: number) => ({
  notBeforeMs: NOW - (90 - left) * DAY,
  notAfterMs: NOW + left * DAY,
})
const fresh: IssuanceState = {
  validity: valid(60),
  isWanted: true,
  failures: 0,
  consultAtMs: NOW + 400 * DAY,
}

describe('nextAction', () => {
  it.each<[string, Partial<IssuanceState>, NextAction]>([
    ['waits until a third is left', {}, { kind: 'wait', untilMs: NOW + 30 * DAY, reason: 'fresh' }],
    ['renews when a third is left', { validity: valid(30) }, { kind: 'issue', reason: 'due' }],
    ['says that it is expired', { validity: valid(0) }, { kind: 'issue', reason: 'expired' }],
    ['follows changed names', { isWanted: false }, { kind: 'issue', reason: 'changed' }],
    [
      'waits after a failure',
      { validity: valid(20), failures: 1, retryAtMs: NOW + HOUR },
      { kind: 'wait', untilMs: NOW + HOUR, reason: 'backing off' },
    ],
    [
      'waits after a failure though nothing is served',
      { validity: valid(-1), failures: 9, retryAtMs: NOW + 1 },
      { kind: 'wait', untilMs: NOW + 1, reason: 'backing off' },
    ],
    [
      'tries again when the wait is over',
      { validity: valid(20), failures: 1, retryAtMs: NOW },
      { kind: 'issue', reason: 'due' },
    ],
    [
      'does not believe a wait that a wrong clock has set',
      { validity: valid(20), failures: 1, retryAtMs: NOW + 900 * DAY },
      { kind: 'issue', reason: 'due' },
    ],
    ['asks for a suggestion', { consultAtMs: NOW }, { kind: 'consult' }],
    [
      'looks again when it wants to ask for a suggestion',
      { consultAtMs: NOW + HOUR },
      { kind: 'wait', untilMs: NOW + HOUR, reason: 'fresh' },
    ],
    ['renews early when it is suggested', { suggestedMs: NOW }, { kind: 'issue', reason: 'due' }],
    [
      'renews later when it is suggested',
      { validity: valid(29), suggestedMs: NOW + DAY },
      { kind: 'wait', untilMs: NOW + DAY, reason: 'fresh' },
    ],
  ])('%s', (_, change, expected) => {
    expect(nextAction({ ...fresh, ...change }, NOW)).toEqual(expected)
  })

  it('asks for a certificate where there is none, and for a suggestion where it never did', () => {
    expect(nextAction({ isWanted: true, failures: 0 }, NOW)).toEqual({
      kind: 'issue',
      reason: 'missing',
    })
    const { consultAtMs: _, ...never } = fresh
    expect(nextAction(never, NOW)).toEqual({ kind: 'consult' })
  })

  it('has something to do, or a time ahead to wait for, in every state', () => {
    const time = fc.integer({ min: 0, max: 400 * DAY })
    const state = fc.record(
      {
        validity: fc
          .tuple(time, time)
          .map(([notBeforeMs, more]) => ({ notBeforeMs, notAfterMs: notBeforeMs + more })),
        isWanted: fc.boolean(),
        failures: fc.nat(50),
        suggestedMs: time,
        consultAtMs: time,
        retryAtMs: time,
      },
      { requiredKeys: ['isWanted', 'failures'] },
    )
    fc.assert(
      fc.property(state, time, (value, now) => {
        const next = nextAction(value as IssuanceState, now)
        return next.kind !== 'wait' || next.untilMs > now
      }),
    )
  })
})

describe('renewalTime', () => {
  it('leaves half of a certificate that is short', () => {
    expect(renewalTime({ notBeforeMs: 0, notAfterMs: 6 * DAY })).toBe(3 * DAY)
    expect(renewalTime({ notBeforeMs: 0, notAfterMs: 90 * DAY })).toBe(60 * DAY)
  })

  it('leaves a tenth, whatever is suggested', () => {
    expect(renewalTime({ notBeforeMs: 0, notAfterMs: 90 * DAY }, 100 * DAY)).toBe(81 * DAY)
  })
})

describe('retryTime', () => {
  it.each([
    [1, 5],
    [2, 15],
    [3, 45],
    [4, 135],
    [5, 360],
    [1000, 360],
  ])('after %s failures waits %s minutes, a fifth more or less', (failures, minutes) => {
    const wait = (random: number) => (retryTime(failures, NOW, random, undefined) - NOW) / MINUTE
    expect(wait(0)).toBeCloseTo(minutes * 0.8)
    expect(wait(0.5)).toBeCloseTo(minutes)
    expect(wait(1)).toBeCloseTo(minutes * 1.2)
  })

  it('waits as long as the authority asked, eight days at most', () => {
    expect(retryTime(1, NOW, 0.5, NOW + 3 * HOUR)).toBe(NOW + 3 * HOUR)
    expect(retryTime(1, NOW, 0.5, NOW + 1)).toBe(NOW + 5 * MINUTE)
    expect(retryTime(1, NOW, 0.5, NOW + 900 * DAY)).toBe(NOW + 8 * DAY)
  })
})
