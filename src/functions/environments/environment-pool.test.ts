import { expect, it } from 'vitest'
import type { FunctionVersion } from '../version.ts'
import { EnvironmentPool, type PooledEnvironment } from './environment-pool.ts'
import type { Timers } from './timers.ts'

function version(id: string, project = 'site'): FunctionVersion {
  return {
    project,
    name: id,
    id,
    runtime: 'node',
    handler: 'a.b',
    codeSha256: '',
    timeoutMs: 1,
    memoryMb: 1,
    environment: {},
  }
}

class FakeEnvironment implements PooledEnvironment {
  state: PooledEnvironment['state'] = 'init'
  isFrozen = false
  isThere = true
  readonly version: FunctionVersion
  constructor(of: FunctionVersion) {
    this.version = of
  }
  isReachable() {
    return this.isThere
  }
  freeze() {
    this.isFrozen = true
  }
  end() {
    this.state = 'ended'
  }
}

function setUp(maxEnvironments = 3) {
  const pending: { delayMs: number; run: () => void }[] = []
  const timers: Timers = {
    after(delayMs, run) {
      const timer = { delayMs, run }
      pending.push(timer)
      return () => {
        const index = pending.indexOf(timer)
        if (index !== -1) pending.splice(index, 1)
      }
    },
  }
  const made: FakeEnvironment[] = []
  let failure: string | undefined
  let now = 0
  const pass = (ms: number) => {
    now += ms
  }
  const pool = new EnvironmentPool<FakeEnvironment, string>({
    maxEnvironments,
    idleMs: 1000,
    timers,
    now: () => now,
    create(of) {
      const environment = new FakeEnvironment(of)
      made.push(environment)
      return { environment, ready: Promise.resolve(failure) }
    },
  })
  const take = async (id: string, project?: string) => {
    const acquired = await pool.acquire(version(id, project))
    if (acquired.kind !== 'environment') return acquired.kind
    acquired.environment.state = 'busy'
    acquired.environment.isFrozen = false
    return acquired.environment
  }
  const release = (environment: FakeEnvironment | string) => {
    if (typeof environment === 'string') throw new Error(environment)
    environment.state = 'idle'
    pool.release(environment)
  }
  const fail = (reason: string | undefined) => {
    failure = reason
  }
  return { pool, made, pending, take, release, fail, pass }
}

it('reuses the environment used last, and freezes what is idle', async () => {
  const { take, release, made } = setUp()
  const [first, second] = [await take('a'), await take('a')]
  release(second)
  release(first)
  expect(made.map(environment => environment.isFrozen)).toEqual([true, true])
  expect(await take('a')).toBe(first)
  expect(made).toHaveLength(2)
})

it('gives no invocation to an environment whose process is gone, but to another one', async () => {
  const { take, release, pool } = setUp()
  const [other, gone] = [await take('a'), await take('a')]
  release(other)
  release(gone)
  if (typeof gone === 'string') throw new Error(gone)
  gone.isThere = false
  expect(await take('a')).toBe(other)
  expect([...pool.environments]).toEqual([other])
})

it('never gives an environment to another version', async () => {
  const { take, release } = setUp()
  const first = await take('a')
  release(first)
  expect(await take('b')).not.toBe(first)
})

it('ends an idle environment of somebody else when it is full, the one unused longest', async () => {
  const { take, release, made } = setUp(2)
  const [a, b] = [await take('a'), await take('b')]
  release(b)
  release(a)
  await take('c')
  expect(made.map(environment => environment.state)).toEqual(['idle', 'ended', 'busy'])
})

it('throttles when all are busy', async () => {
  const { take, pool } = setUp(1)
  await take('a')
  expect(await pool.acquire(version('a'))).toEqual({
    kind: 'throttled',
    reason: 'ConcurrentInvocationLimitExceeded',
    limit: 1,
    retryAfterSeconds: 1,
  })
})

it('waits for an environment that is about to be free instead of making one', async () => {
  const { take, release, made } = setUp()
  const first = await take('a')
  if (typeof first === 'string') throw new Error(first)
  first.state = 'settling'
  const second = take('a')
  release(first)
  expect(await second).toBe(first)
  expect(made).toHaveLength(1)
})

it('lets only as many wait as will be free', async () => {
  const { take, release, made } = setUp()
  const first = await take('a')
  if (typeof first === 'string') throw new Error(first)
  first.state = 'settling'
  const waiting = take('a')
  expect(await take('a')).toBe(made[1])
  release(first)
  expect(await waiting).toBe(first)
})

it('makes one after all when that one takes too long', async () => {
  const { take, made, pending } = setUp()
  const first = await take('a')
  if (typeof first === 'string') throw new Error(first)
  first.state = 'settling'
  const second = take('a')
  pending.find(timer => timer.delayMs < 1000)?.run()
  expect(await second).toBe(made[1])
})

it('waits for a place rather than throttle while somebody is about to leave one', async () => {
  const { take, release } = setUp(1)
  const first = await take('a')
  if (typeof first === 'string') throw new Error(first)
  first.state = 'settling'
  const second = take('b')
  release(first)
  expect(await second).toMatchObject({ state: 'busy', version: { id: 'b' } })
  expect(first.state).toBe('ended')
})

it('ends an environment that nobody needed for the idle time', async () => {
  const { take, release, pending, pool } = setUp()
  const first = await take('a')
  release(first)
  pending.find(timer => timer.delayMs === 1000)?.run()
  expect(first).toMatchObject({ state: 'ended' })
  expect([...pool.environments]).toEqual([])
})

it('does not end one that was taken meanwhile', async () => {
  const { take, release, pending } = setUp()
  release(await take('a'))
  await take('a')
  expect(pending).toEqual([])
})

it('retires idle environments at once and busy ones when they have answered', async () => {
  const { take, release, pool } = setUp()
  const [idle, busy, kept] = [await take('a'), await take('b'), await take('c')]
  release(idle)
  pool.retire(id => id === 'c')
  expect(idle).toMatchObject({ state: 'ended' })
  expect(busy).toMatchObject({ state: 'busy' })
  release(busy)
  release(kept)
  expect(busy).toMatchObject({ state: 'ended' })
  expect(kept).toMatchObject({ state: 'idle' })
})

it('keeps no place for an environment whose init failed', async () => {
  const { take, fail, pool } = setUp(1)
  fail('no such module')
  expect(await take('a')).toBe('failed')
  expect([...pool.environments]).toEqual([])
  fail(undefined)
  expect(await take('a')).toBeInstanceOf(FakeEnvironment)
})

it('leaves places for another project that is active, however many one asks for', async () => {
  const { take, release, pool } = setUp(8)
  release(await take('b', 'other'))
  const busy = []
  for (let count = 0; count < 6; count++) busy.push(await take('a'))
  expect(await pool.acquire(version('a'))).toMatchObject({ kind: 'throttled', limit: 6 })
  expect(pool.throttle(version('a'))).toMatchObject({ limit: 6 })
  expect(pool.throttle(version('b', 'other'))).toBeUndefined()
  expect(await take('b', 'other')).toMatchObject({ state: 'busy' })
  expect(await take('b', 'other')).toMatchObject({ state: 'busy' })
  release(busy[0]!)
  expect(await take('a')).toBe(busy[0])
})

it('gives an environment that is idle to no project that has used its share up', async () => {
  const { take, release } = setUp(4)
  const own = [await take('a'), await take('a'), await take('a'), await take('a')]
  for (const environment of own) release(environment)
  release(await take('b', 'other'))
  for (let count = 0; count < 3; count++) expect(await take('a')).toMatchObject({ state: 'busy' })
  expect(await take('a')).toBe('throttled')
})

it('keeps nothing for a project that has not been called for the idle time', async () => {
  const { take, release, pass, pool } = setUp(4)
  const other = await take('b', 'other')
  release(other)
  pass(1001)
  for (let count = 0; count < 4; count++) expect(await take('a')).toMatchObject({ state: 'busy' })
  expect(pool.throttle(version('a'))).toMatchObject({ limit: 4 })
})

it('waits for an environment of its own that is about to be free when its share is used up', async () => {
  const { take, release } = setUp(4)
  release(await take('b', 'other'))
  const [first] = [await take('a'), await take('a'), await take('a')]
  if (typeof first !== 'object') throw new Error('no environment')
  first.state = 'settling'
  const next = take('a')
  release(first)
  expect(await next).toBe(first)
})

it('counts versions of one tenant together: many previews leave as much to a site as one', async () => {
  const { pool, take, release } = setUp(8)
  release(await take('live', 'shop'))
  const preview = async (number: number) => {
    const of = { ...version(`p-${number}`, `shop@${number}`), tenant: 'shop@' }
    const acquired = await pool.acquire(of)
    if (acquired.kind === 'environment') acquired.environment.state = 'busy'
    return acquired.kind
  }
  const kinds = await Promise.all(Array.from({ length: 8 }, (_, number) => preview(number)))
  expect(kinds.filter(kind => kind === 'environment')).toHaveLength(6)
  for (let count = 0; count < 2; count++) expect(await take('live', 'shop')).toBeTypeOf('object')
})
