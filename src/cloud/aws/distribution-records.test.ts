import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Logger } from '../../shared/logger.ts'
import { DistributionRecords } from './distribution-records.ts'

let directory: string
let errors: string[]
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moka-records-'))
  errors = []
})
afterEach(() => rm(directory, { recursive: true }))

function open(): Promise<DistributionRecords> {
  const ignore = () => {}
  const logger: Logger = {
    debug: ignore,
    info: ignore,
    warn: ignore,
    error: message => errors.push(message),
  }
  return DistributionRecords.open(directory, ['site', 'other'], logger)
}

const invalidation = (name: string, paths: string[] = ['/a']) => ({
  id: `I${name}`,
  callerReference: name,
  createdMs: 1,
  paths,
})

test('are found again, those of each project apart', async () => {
  const records = await open()
  await records.change('site', { comment: 'mine', isDisabled: true })
  await records.addInvalidation('site', invalidation('one'))
  const again = await open()
  expect(again.get('site')).toMatchObject({
    comment: 'mine',
    isDisabled: true,
    invalidations: [invalidation('one')],
  })
  expect(again.get('other')).toMatchObject({ isDisabled: false, invalidations: [] })
})

test('of changes at the same time none is lost, and the newest comes first', async () => {
  const records = await open()
  const names = Array.from({ length: 20 }, (_, number) => String(number))
  await Promise.all([
    ...names.map(name => records.addInvalidation('site', invalidation(name))),
    records.change('site', { comment: 'mine' }),
  ])
  const { comment, invalidations } = (await open()).get('site')
  expect(comment).toBe('mine')
  expect(invalidations.map(({ callerReference }) => callerReference)).toEqual(names.reverse())
})

test('the oldest invalidations are forgotten, by number and by what they weigh', async () => {
  const records = await open()
  const many = Array.from({ length: 1000 }, (_, number) => invalidation(String(number)))
  await records.change('site', { invalidations: many })
  await records.addInvalidation('site', invalidation('new'))
  const kept = records.get('site').invalidations
  expect([kept.length, kept[0]?.id, kept.at(-1)?.id]).toEqual([1000, 'Inew', 'I998'])
  const large = Array.from({ length: 3000 }, (_, number) => `/${number}`)
  for (let i = 0; i < 7; i++)
    await records.addInvalidation('site', invalidation(`large ${i}`, large))
  const weighed = records.get('site').invalidations
  expect(weighed.map(({ callerReference }) => callerReference)).toEqual(
    [6, 5, 4, 3, 2, 1].map(number => `large ${number}`),
  )
})

test('are gone when they are removed', async () => {
  const records = await open()
  await records.change('site', { isDisabled: true })
  await records.remove('site')
  expect(records.get('site').isDisabled).toBe(false)
  expect((await open()).get('site').isDisabled).toBe(false)
})

test('that are damaged are told of, and left as they are', async () => {
  await mkdir(join(directory, 'site'))
  const path = join(directory, 'site', 'distribution.json')
  await writeFile(path, '{"isDisabled": tr')
  expect((await open()).get('site').isDisabled).toBe(false)
  expect(errors).toHaveLength(1)
  expect(await readFile(path, 'utf8')).toBe('{"isDisabled": tr')
})
