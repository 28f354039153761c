import { expect, test } from 'vitest'
import { createLogger } from '../../../shared/logger.ts'
import { ConnectionLimits } from './connection-limits.ts'
import { SlowReaders } from './slow-readers.ts'

function reader() {
  return {
    bufferedBytes: 0,
    takenBytes: 0,
    isDestroyed: false,
    destroy() {
      this.isDestroyed = true
    },
  }
}

test('a reader loses his connection for what he takes in any stretch, not for what waits', () => {
  const readers = new SlowReaders({ minBytes: 4_000, perLooks: 10 })
  const [idle, slow, steady, late] = [reader(), reader(), reader(), reader()]
  for (const one of [idle, slow, steady, late]) readers.add(one)
  slow.bufferedBytes = 100
  steady.bufferedBytes = 1_000_000
  for (let look = 0; look < 100; look++) {
    slow.takenBytes += 399
    steady.takenBytes += 401
    // What is taken in time begins anew.
    late.bufferedBytes = look % 10 === 9 ? 0 : 5_000
    readers.look()
    if (look < 10) expect(slow.isDestroyed).toBe(false)
  }
  expect(slow.isDestroyed).toBe(true)
  expect([idle, steady, late].map(one => one.isDestroyed)).toEqual([false, false, false])
})

test('a reader who is gone is not looked at', () => {
  const readers = new SlowReaders({ minBytes: 1, perLooks: 1 })
  const gone = reader()
  gone.bufferedBytes = 1
  readers.add(gone)
  readers.look()
  readers.remove(gone)
  readers.look()
  readers.look()
  expect(gone.isDestroyed).toBe(false)
})

function limitsOf(maxPerClient: number, unlimited: string[] = []) {
  const state = { nowMs: 0, log: [] as string[] }
  const logger = createLogger(line => state.log.push(line))
  const now = () => state.nowMs
  return {
    state,
    limits: new ConnectionLimits({ maxPerClient, maxInAll: 100, unlimited, logger, now }),
  }
}

test('connections count by address, of IPv6 by what one subscriber is given', () => {
  const { limits } = limitsOf(2)
  const first = limits.admit('203.0.113.1')
  expect(first).toBeDefined()
  expect(limits.admit('::ffff:203.0.113.1')).toBeDefined()
  expect(limits.admit('203.0.113.1')).toBeUndefined()
  expect(limits.admit('203.0.113.2')).toBeDefined()
  expect(limits.admit('2001:db8::1')).toBeDefined()
  expect(limits.admit('2001:db8::2')).toBeDefined()
  expect(limits.admit('2001:db8::3')).toBeUndefined()
  expect(limits.admit('2001:db8:0:1::3')).toBeDefined()
  first?.()
  expect(limits.admit('203.0.113.1')).toBeDefined()
  expect(limits.refused).toBe(2)
})

test('connections of proxies are as many as they like', () => {
  const { limits } = limitsOf(1, ['10.0.0.0/8', '2001:db8::/32'])
  for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '2001:db8::1']) {
    for (let i = 0; i < 3; i++) expect(limits.admit(address)).toBeDefined()
  }
})

test('refusals are logged once a minute for each address', () => {
  const { limits, state } = limitsOf(1)
  for (const nowMs of [0, 59_000, 60_000]) {
    state.nowMs = nowMs
    for (let i = 0; i < 3; i++) for (const last of [1, 2]) limits.admit(`203.0.113.${last}`)
  }
  expect(state.log).toHaveLength(4)
  expect(limits.refused).toBe(16)
})
