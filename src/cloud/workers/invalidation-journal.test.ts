import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createLogger } from '../../shared/logger.ts'
import { InvalidationJournal } from './invalidation-journal.ts'

let directory: string
let log: string[]
const logger = createLogger(line => log.push(line), 'debug')
const path = () => join(directory, 'invalidations.log')
const open = () => InvalidationJournal.open(directory, logger)

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'moka-journal-'))
  log = []
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

test('numbers invalidations, and knows them after it was killed', async () => {
  const journal = await open()
  const numbers = await Promise.all([
    journal.record('p', ['/a', '/b/*']),
    journal.record('q', [], ['t']),
    journal.record('p', ['/*']),
  ])
  expect(numbers).toEqual([1, 2, 3])
  // Not closed.
  const next = await open()
  expect(next.snapshot()).toEqual(journal.snapshot())
  expect(next.snapshot()).toMatchObject({
    since: 0,
    last: 3,
    entries: [
      { sequence: 1, project: 'p', what: { paths: ['/a'], prefixes: ['/b/'], tags: [] } },
      { sequence: 2, project: 'q', what: { paths: [], prefixes: [], tags: ['t'] } },
      { sequence: 3, project: 'p', what: { paths: [], prefixes: ['/'], tags: [] } },
    ],
  })
  expect(await next.record('p', ['/c'])).toBe(4)
  await journal.close()
  await next.close()
})

test('a line that was being written as the power went was told to nobody, and counts for nothing', async () => {
  const journal = await open()
  await journal.record('p', ['/a'])
  const { id } = journal.snapshot()
  const whole = readFileSync(path())
  await journal.record('p', ['/b'])
  await journal.close()
  const torn = readFileSync(path())
  for (let length = whole.byteLength; length < torn.byteLength; length++) {
    writeFileSync(path(), torn.subarray(0, length))
    const next = await open()
    expect(next.snapshot()).toMatchObject({ id, last: 1 })
    expect(await next.record('p', ['/c'])).toBe(2)
    await next.close()
  }
  expect(log).toEqual([])
})

test('one that is damaged begins anew under another name, whatever bit it was', async () => {
  const journal = await open()
  await journal.record('p', ['/a'])
  await journal.record('p', ['/b'])
  await journal.close()
  const { id } = journal.snapshot()
  const whole = readFileSync(path())
  for (let at = 0; at < whole.byteLength; at++) {
    const damaged = Buffer.from(whole)
    damaged[at]! ^= 1
    writeFileSync(path(), damaged)
    const next = await open()
    // Blanks after checksums say nothing, and the last line's end alone looks like a line that was
    // being written.
    if (whole[at] === 0x20) expect(next.snapshot()).toEqual(journal.snapshot())
    else if (at === whole.byteLength - 1) expect(next.snapshot().last).toBe(1)
    else expect(next.snapshot().id).not.toBe(id)
    await next.close()
  }
  appendFileSync(path(), 'nothing of ours\n')
  const next = await open()
  expect(next.snapshot()).toMatchObject({ since: 0, last: 0, entries: [] })
  await next.close()
})

test('keeps a bounded number of names, and says from where on', async () => {
  const journal = await open()
  for (let i = 0; i < 12; i++) {
    await journal.record(
      'p',
      Array.from({ length: 1_000 }, (_, j) => `/${i}/${j}`),
    )
  }
  const { since, last, entries } = journal.snapshot()
  expect(last).toBe(12)
  expect(since).toBeGreaterThan(0)
  expect(entries.map(({ sequence }) => sequence)).toEqual(
    Array.from({ length: last - since }, (_, i) => since + 1 + i),
  )
  await journal.record(
    'p',
    Array.from({ length: 20_000 }, (_, j) => `/${j}`),
  )
  expect(journal.snapshot()).toMatchObject({ since: 13, last: 13, entries: [] })
  await journal.close()
  const next = await open()
  expect(next.snapshot()).toEqual(journal.snapshot())
  await next.close()
})

test('a release that went live without a word of what it changed makes all of its project old', async () => {
  const journal = await open()
  await journal.catchUp([{ project: 'p', manifestSha256: 'one' }])
  await journal.record('p', ['/a'], [], 'two')
  const { last } = journal.snapshot()
  await journal.close()
  const next = await open()
  await next.catchUp([{ project: 'p', manifestSha256: 'two' }])
  expect(next.snapshot().last).toBe(last)
  await next.catchUp([
    { project: 'p', manifestSha256: 'three' },
    { project: 'q', manifestSha256: 'four' },
  ])
  expect(next.snapshot().entries.slice(last)).toMatchObject([
    { project: 'p', what: { prefixes: ['/'] } },
    { project: 'q', what: { prefixes: ['/'] } },
  ])
  await next.close()
})

test('where it cannot be written, nothing fails, and no worker believes what it left', async () => {
  const journal = await open()
  const { id } = journal.snapshot()
  rmSync(directory, { recursive: true })
  expect(await journal.record('p', ['/a'])).toBe(1)
  expect(journal.snapshot()).toMatchObject({ since: 1, last: 1, entries: [] })
  expect(journal.snapshot().id).not.toBe(id)
  expect(log).toHaveLength(1)
  await journal.close()
})
