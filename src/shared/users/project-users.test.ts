import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  chooseUid,
  hasCapabilities,
  isMapped,
  isReachableByAll,
  ProjectUsers,
  UIDS,
} from './project-users.ts'

const { first, last } = UIDS.functions

describe('chooseUid', () => {
  it('gives a project the same number each time, and never one that is taken', () => {
    const taken = new Set<number>()
    for (let index = 0; index < last - first + 1; index++) {
      const uid = chooseUid(`project-${index}`, taken, UIDS.functions)
      expect(taken.has(uid)).toBe(false)
      expect(uid).toBeGreaterThanOrEqual(first)
      expect(uid).toBeLessThanOrEqual(last)
      taken.add(uid)
    }
    expect(chooseUid('site', new Set(), UIDS.functions)).toBe(
      chooseUid('site', new Set(), UIDS.functions),
    )
  })

  it('has two share one when there are more projects than numbers', () => {
    const all = Array.from({ length: last - first + 1 }, (_, index) => first + index)
    expect(chooseUid('site', new Set(all), UIDS.functions)).toBe(
      chooseUid('site', new Set(), UIDS.functions),
    )
  })
})

it.runIf(process.getuid?.() === 0)(
  'two clouds give projects of one name different users, each the same again (needs root)',
  async () => {
    const root = mkdtempSync(join(tmpdir(), 'users-'))
    chmodSync(root, 0o711)
    try {
      const uidIn = async (cloud: string) => {
        const directory = join(root, cloud)
        mkdirSync(directory, { recursive: true })
        const users = ProjectUsers.open('builds', directory, () => {})
        const uid = users?.of('site', 'pushed', () => [])?.uid
        await users?.close()
        return uid
      }
      const clouds = Array.from({ length: 8 }, (_, number) => `cloud-${number}`)
      const uids = await Promise.all(clouds.map(uidIn))
      if (uids[0] === undefined) return // a container that lets root be nobody else
      expect(new Set(uids).size).toBeGreaterThan(1) // of 184 numbers, two may be the same
      expect(await Promise.all(clouds.map(uidIn))).toEqual(uids)
    } finally {
      rmSync(root, { recursive: true })
    }
  },
)

it('reads capabilities', () => {
  const status = 'Name:\tnode\nCapEff:\t00000000a80425fb\nSeccomp:\t2\n' // Docker's
  expect(hasCapabilities(status, [0, 5, 6, 7])).toBe(true)
  expect(hasCapabilities(status, [0, 21])).toBe(false) // CAP_SYS_ADMIN
  expect(hasCapabilities('', [0])).toBe(false)
})

it('reads which numbers a user namespace has', () => {
  expect(isMapped('         0          0 4294967295\n', first, last)).toBe(true)
  expect(isMapped('0 1000 1\n1 100000 65536\n', first, last)).toBe(true)
  expect(isMapped('0 1000 1\n1 100000 60000\n', first, last)).toBe(false)
  expect(isMapped('0 1000 1\n', first, last)).toBe(false)
})

it('finds that a file is out of reach by its own mode, a folder above it, or what a link leads to', () => {
  const directory = mkdtempSync(join(tmpdir(), 'reach-'))
  try {
    const [open, closed, link] = ['open', 'closed', 'link'].map(name => join(directory, name))
    for (const folder of [open!, closed!]) {
      mkdirSync(folder)
      writeFileSync(join(folder, 'file'), '')
      chmodSync(join(folder, 'file'), 0o644)
    }
    symlinkSync(join(closed!, 'file'), link!)
    chmodSync(directory, 0o711)
    chmodSync(open!, 0o711)
    chmodSync(closed!, 0o700)
    expect(isReachableByAll(join(open!, 'file'))).toBe(true)
    expect(isReachableByAll(join(closed!, 'file'))).toBe(false)
    expect(isReachableByAll(link!)).toBe(false)
    expect(isReachableByAll(join(open!, 'missing'))).toBe(false)
    chmodSync(join(open!, 'file'), 0o640)
    expect(isReachableByAll(join(open!, 'file'))).toBe(false)
  } finally {
    rmSync(directory, { recursive: true })
  }
})
