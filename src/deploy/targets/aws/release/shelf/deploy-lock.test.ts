import { hostname } from 'node:os'
import { expect, it } from 'vitest'
import type { Bucket, StoredText } from '../objects/bucket.ts'
import { DeployLock } from './deploy-lock.ts'

const clock = { now: () => 1_800_000_000_000 }

/** One object as S3 keeps it, with its conditions on writes. */
class LockObject {
  stored: StoredText | undefined
  #writes = 0
  /** Resolves when so many have read it; until then all reads wait, so that all find the same. */
  readonly #readers: number
  #waiting: (() => void)[] = []

  constructor(text: string, ageMs: number, readers: number) {
    this.stored = { text, ageMs, etag: 'old' }
    this.#readers = readers
  }

  async read(): Promise<StoredText | undefined> {
    const found = this.stored
    await new Promise<void>(resolve => {
      this.#waiting.push(resolve)
      if (this.#waiting.length >= this.#readers) for (const go of this.#waiting) go()
    })
    return found
  }

  async writeIf(
    _key: string,
    text: string,
    condition: { etag: string } | { isAbsent: true },
  ): Promise<string | undefined> {
    const expected = 'etag' in condition ? condition.etag : undefined
    if (this.stored?.etag !== expected) return undefined
    this.#writes++
    this.stored = { text, ageMs: 0, etag: `${this.#writes}` }
    return this.stored.etag
  }

  async deleteIf(_key: string, etag: string): Promise<void> {
    if (this.stored?.etag === etag) this.stored = undefined
  }
}

it('a lock whose holder is gone is taken over by one of many who find it so', async () => {
  const gone = { who: 'ada@elsewhere', host: `not ${hostname()}`, pid: 1, sinceMs: 0, token: 'x' }
  const object = new LockObject(JSON.stringify(gone), 61_000, 4)
  const acquired = await Promise.allSettled(
    Array.from({ length: 4 }, () =>
      DeployLock.acquire(object as unknown as Bucket, { clock, patienceMs: 0 }),
    ),
  )
  const locks = acquired.filter(each => each.status === 'fulfilled')
  expect(locks).toHaveLength(1)
  for (const each of acquired) {
    if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'AWS_DEPLOYING' })
  }
  await locks[0]?.value.release()
  expect(object.stored).toBeUndefined()
})

it('a lock that was renewed within a minute is not taken over', async () => {
  const alive = { who: 'ada@elsewhere', host: `not ${hostname()}`, pid: 1, sinceMs: 0, token: 'x' }
  const object = new LockObject(JSON.stringify(alive), 59_000, 1)
  await expect(
    DeployLock.acquire(object as unknown as Bucket, { clock, patienceMs: 0 }),
  ).rejects.toThrow('cannot deploy: ada@elsewhere is deploying')
  expect(object.stored?.etag).toBe('old')
})
