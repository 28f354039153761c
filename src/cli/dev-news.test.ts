import { beforeEach, expect, it } from 'vitest'
import type { Project } from '../config/project.ts'
import type { FunctionLogEntry } from '../functions/version.ts'
import { DevNews } from './dev-news.ts'

let said: string[]
let news: DevNews
beforeEach(() => {
  said = []
  news = new DevNews({ note: line => said.push(line), progress: () => {} })
  news.ready()
})

const SITE = 'http://127.0.0.1:8080'
const project = {
  functions: [{ name: 'item', runtime: 'python', routes: ['/api/item'] }],
} as Project
const counts = { added: 0, changed: 0, removed: 0, unchanged: 1 }
const nothing = { plan: { base: 'r-1', changes: [], files: counts, warnings: [] }, live: 'r-1' }

function release(id: string, subject: 'file' | 'function', name: string) {
  const changes = [{ kind: 'add', subject, name, reason: 'new' } as const]
  const activated = { id, manifestSha256: '', migrated: [], confirmedBy: ['edge-1'] }
  return { plan: { base: 'r-1', changes, files: counts, warnings: [] }, live: id, activated }
}

function failure(text: string): FunctionLogEntry {
  return { timeMs: 0, project: 'p', function: 'item', stream: 'stderr', text, isFailure: true }
}

it('tells of a failed invocation in one line, and of repeats at powers of ten', () => {
  for (let count = 0; count < 12; count++) {
    news.logged(failure("[ERROR] KeyError: 'id'\nTraceback (most recent call last):\n  …"))
  }
  const line = `function "item" failed: KeyError: 'id'; moka logs item`
  expect(said).toEqual([line, `${line} (10 times)`])
})

it('tells of it again after a new release', () => {
  news.logged(failure('[ERROR] one'))
  news.live('r-2')
  news.logged(failure('[ERROR] one'))
  expect(said).toHaveLength(3)
})

it('takes failures of different invocations for the same', () => {
  const timeout = (id: string) => `2026-01-02T03:04:05.678Z ${id} Task timed out after 3.00 seconds`
  for (const id of ['a-1', 'b-2']) news.logged(failure(timeout(id)))
  for (const id of ['a-1', 'b-2'])
    news.logged(failure(`[ERROR] Runtime.ExitError: RequestId: ${id} Error: Runtime exited`))
  expect(said).toEqual([
    'function "item" failed: Task timed out after 3.00 seconds; moka logs item',
    'function "item" failed: Runtime.ExitError: Runtime exited; moka logs item',
  ])
})

it('says nothing of what a function prints', () => {
  const { isFailure: _, ...printed } = failure('[ERROR] only printed')
  news.logged(printed)
  expect(said).toEqual([])
})

it('gives the address of a function that was added', () => {
  news.deploying()
  news.live('r-2')
  news.deployed(release('r-2', 'function', 'item'), project, SITE, 12)
  expect(said).toEqual([
    '1 change live as r-2 after 12 ms',
    'function item, Python, at http://127.0.0.1:8080/api/item',
  ])
})

it('says that a mended mistake left nothing that differs, and not twice in a row', () => {
  news.deploying()
  news.failed(new Error('no such handler'))
  for (const _time of [1, 2]) {
    news.deploying()
    news.deployed(nothing, project, SITE, 5)
  }
  expect(said).toEqual([
    expect.stringContaining('no such handler'),
    'nothing differs from r-1, which stays live',
  ])
})

it('tells of another command’s release, also while a deploy of its own is under way', () => {
  news.live('r-3')
  news.deploying()
  news.live('r-1')
  news.deployed(nothing, project, SITE, 5)
  news.deploying()
  news.live('r-4')
  news.live('r-5')
  news.deployed(release('r-5', 'file', '/x'), project, SITE, 5)
  expect(said).toEqual([
    'r-3 went live by another command',
    'r-1 went live by another command',
    'r-4 went live by another command',
    '1 change live as r-5 after 5 ms',
  ])
})
