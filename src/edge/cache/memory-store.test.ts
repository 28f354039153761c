import { expect, test } from 'vitest'
import { Fields } from '../../http/fields.ts'
import { createMemoryStore } from './memory-store.ts'
import { currentAge, type StoredResponse } from './response-store.ts'

const key = (path: string, project = 'p') => ({ project, path, target: path })
const stored = (body: string, also: Partial<StoredResponse> = {}): StoredResponse => ({
  status: 200,
  fields: new Fields(),
  body: Buffer.from(body),
  vary: [],
  manifestSha256: 'm',
  releaseId: 'r-1',
  storedMs: 1_000,
  initialAgeSeconds: 5,
  freshnessSeconds: 60,
  ...also,
})

test('keeps one response for each set of varying fields, the newest first', () => {
  const store = createMemoryStore(1e6)
  store.put(key('/a'), stored('de', { vary: [['accept-language', 'de']] }))
  store.put(key('/a'), stored('en', { vary: [['accept-language', 'en']] }))
  store.put(key('/a'), stored('de again', { vary: [['accept-language', 'de']] }))
  expect(store.get(key('/a')).map(response => String(response.body))).toEqual(['de again', 'en'])
})

test('stays within its budget, and an entry above it is not kept', () => {
  const store = createMemoryStore(50_000)
  for (let i = 0; i < 100; i++) store.put(key(`/${i}`), stored('x'.repeat(2000)))
  expect(store.stats().bytes).toBeLessThanOrEqual(50_000)
  expect(store.get(key('/0'))).toEqual([])
  expect(store.get(key('/99'))).toHaveLength(1)
  store.put(key('/large'), stored('x'.repeat(60_000)))
  expect(store.get(key('/large'))).toEqual([])
})

test('purges within a project only', () => {
  const store = createMemoryStore(1e6)
  store.put(key('/a', 'p'), stored('p'))
  store.put(key('/a', 'q'), stored('q'))
  expect(store.purge('p', path => path === '/a')).toBe(1)
  expect(store.get(key('/a', 'p'))).toEqual([])
  expect(store.get(key('/a', 'q'))).toHaveLength(1)
})

test('another release replaces the variants of the one before', () => {
  const store = createMemoryStore(1e6)
  store.put(key('/a'), stored('old', { vary: [['x', '1']] }))
  store.put(key('/a'), stored('new', { vary: [['x', '2']], manifestSha256: 'n' }))
  expect(store.get(key('/a'))).toHaveLength(1)
})

test('age counts what it was on arrival, and a clock that went back takes nothing off', () => {
  expect(currentAge(stored(''), 11_999)).toBe(15)
  expect(currentAge(stored(''), 0)).toBe(5)
})
