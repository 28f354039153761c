import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { FunctionLogEntry } from '../version.ts'
import { type LogStore, openLogStore } from './log-store.ts'

let directory: string
let store: LogStore
const clock = { now: () => 1000 }

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'logs-'))
  store = await openLogStore({ directory, clock })
})

afterEach(async () => {
  await store.close()
  await rm(directory, { recursive: true })
})

function entry(text: string, changes: Partial<FunctionLogEntry> = {}): FunctionLogEntry {
  return { timeMs: 1, project: 'site', function: 'visits', stream: 'stdout', text, ...changes }
}

it('gives back the last entries in order, and the same after a restart', async () => {
  for (let number = 0; number < 1000; number++)
    store.write(entry(`line ${number}`, { timeMs: number }))
  const last = await store.tail('site', 'visits', 3)
  expect(last.map(each => each.text)).toEqual(['line 997', 'line 998', 'line 999'])
  await store.close()
  store = await openLogStore({ directory, clock })
  expect(await store.tail('site', 'visits', 3)).toEqual(last)
  expect(await store.tail('site', 'visits', 5000)).toHaveLength(1000)
})

it('merges the functions of a project by time', async () => {
  store.write(entry('a1', { timeMs: 1, function: 'a' }))
  store.write(entry('b2', { timeMs: 2, function: 'b' }))
  store.write(entry('a3', { timeMs: 3, function: 'a' }))
  store.write(entry('other', { project: 'else' }))
  const texts = (await store.tail('site', undefined, 10)).map(each => each.text)
  expect(texts).toEqual(['a1', 'b2', 'a3'])
  expect((await store.tail('site', undefined, 2)).map(each => each.text)).toEqual(['b2', 'a3'])
})

it('answers nothing for what has no log', async () => {
  expect(await store.tail('nobody', undefined, 10)).toEqual([])
  expect(await store.tail('nobody', 'nothing', 10)).toEqual([])
  expect(await store.tail('site', 'visits', 0)).toEqual([])
})

it('tells followers what they asked for until they stop', () => {
  const seen: string[] = []
  const stop = store.follow('site', 'visits', each => seen.push(each.text))
  store.follow('site', undefined, each => seen.push(`all ${each.text}`))
  store.write(entry('1'))
  store.write(entry('2', { function: 'other' }))
  store.write(entry('3', { project: 'else' }))
  stop()
  store.write(entry('4'))
  expect(seen).toEqual(['1', 'all 1', 'all 2', 'all 4'])
})

it('turns to a new file at 5 MB and keeps two old ones', async () => {
  const text = 'x'.repeat(200_000)
  for (let round = 0; round < 10; round++) {
    for (let number = 0; number < 10; number++) store.write(entry(`${round} ${text}`))
    await store.tail('site', 'visits', 1) // written by now
  }
  const files = (await readdir(join(directory, 'site'))).sort()
  expect(files).toEqual(['visits.ndjson', 'visits.ndjson.1', 'visits.ndjson.2'])
  for (const file of files) {
    expect((await stat(join(directory, 'site', file))).size).toBeLessThanOrEqual(5 * 1024 * 1024)
  }
  const all = await store.tail('site', 'visits', 1000)
  expect(all.at(-1)?.text.startsWith('9 ')).toBe(true)
  expect(all.length).toBeGreaterThan(40)
})

it('cuts a text that is too long', async () => {
  store.write(entry('x'.repeat(1_000_000)))
  expect((await store.tail('site', 'visits', 1))[0]?.text).toHaveLength(256 * 1024)
})

it('skips the half line that a killed cloud left, and nothing after it', async () => {
  store.write(entry('whole'))
  await store.close()
  const path = join(directory, 'site', 'visits.ndjson')
  await writeFile(path, `${await readFile(path, 'utf8')}{"timeMs":2,"text":"ha`)
  store = await openLogStore({ directory, clock })
  store.write(entry('next'))
  expect((await store.tail('site', 'visits', 10)).map(each => each.text)).toEqual(['whole', 'next'])
})

it('drops lines rather than memory when they come too fast, and says how many', async () => {
  const text = 'x'.repeat(200_000)
  for (let number = 0; number < 200; number++) store.write(entry(`${number} ${text}`))
  const texts = (await store.tail('site', 'visits', 1000)).map(each => each.text)
  expect(texts.some(line => /^\d+ lines were dropped/.test(line))).toBe(true)
})

it('keeps any name inside its folder', async () => {
  for (const name of ['..', '../../x', 'a/b', '.', 'ü*']) {
    store.write(entry('hi', { project: name, function: name }))
    expect((await store.tail(name, name, 1))[0]?.text).toBe('hi')
    expect((await store.tail(name, undefined, 1))[0]?.text).toBe('hi')
  }
  expect((await readdir(directory)).length).toBe(5)
})
