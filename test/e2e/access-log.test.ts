import { readFile } from 'node:fs/promises'
import { connect } from 'node:http2'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Exposition, parseExposition } from '../support/exposition.ts'
import { ask } from '../support/http.ts'
import {
  remove,
  startDev,
  type TestCloud,
  temporaryFolder,
  until,
  writeProject,
} from '../support/moka.ts'
import { commandOf, descendants, isStopped } from '../support/processes.ts'

// What visitors asked for is in the access log of the edge, and counted at /metrics.

let folder: string
let cloud: TestCloud

beforeAll(async () => {
  folder = await temporaryFolder('access-log')
  await writeProject(folder, {
    'moka.config.ts': `export default { name: 'logged' }\n`,
    'dist/index.html': 'hello',
  })
  cloud = await startDev(folder)
})
afterAll(async () => {
  await cloud?.stop()
  await remove(folder)
})

interface Line {
  path?: string
  status?: number
  protocol?: string
}

async function logged(): Promise<Line[]> {
  const text = await readFile(join(folder, '.moka/access/edge-1.jsonl'), 'utf8').catch(() => '')
  const lines = text.split('\n').slice(0, -1)
  return lines.map(line => JSON.parse(line) as Line)
}

async function metrics(): Promise<Exposition> {
  const token = (await readFile(join(folder, '.moka/token'), 'utf8')).trim()
  const url = new URL('/metrics', cloud.addresses.control)
  const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
  return parseExposition(await answer.text())
}

async function worker(): Promise<number> {
  const below = await descendants(cloud.pid)
  const commands = await Promise.all(below.map(commandOf))
  return below[commands.findIndex(command => /workers\/worker\.js/.test(command))]!
}

async function askByHttp2(path: string): Promise<void> {
  const client = connect(cloud.addresses.site)
  await new Promise(resolve => client.request({ ':path': path }).on('close', resolve).resume())
  client.close()
}

test('each request has a line and is counted', async () => {
  for (let request = 0; request < 10; request++) await ask(cloud.addresses.site, '/')
  await ask(cloud.addresses.site, '/nothing')
  await askByHttp2('/?by=http2')
  await until(async () => (await logged()).length >= 12, 30_000, 'the lines')
  const lines = await logged()
  expect(lines).toHaveLength(12)
  expect(lines.filter(({ path, status }) => path === '/' && status === 200)).toHaveLength(10)
  expect(lines.at(-2)).toMatchObject({ path: '/nothing', status: 404, project: 'logged' })
  expect(lines.at(-1)).toMatchObject({ path: '/?by=http2', protocol: 'HTTP/2.0' })
  const counted = await metrics()
  expect(counted.value('mokapot_edge_up')).toBe(1)
  expect(counted.value('mokapot_request_duration_seconds_count', { edge: 'edge-1' })).toBe(12)
  expect(counted.value('mokapot_requests_total', { project: 'logged', status: '4xx' })).toBe(1)
  expect(counted.value('mokapot_access_log_lines_total', { outcome: 'written' })).toBe(12)
})

test('a name that leads here and is somebody else’s gets nothing of the site, and has its line', async () => {
  for (const path of ['/', '/rebound', '/']) {
    const { status, body } = await ask(cloud.addresses.site, path, { host: 'rebound.example' })
    expect({ status, has: body.toString().includes('hello') }).toEqual({ status: 421, has: false })
  }
  expect((await ask(cloud.addresses.site, '/', { host: 'logged.localhost' })).status).toBe(200)
  const isLogged = ({ path, status }: Line) => path === '/rebound' && status === 421
  await until(async () => (await logged()).some(isLogged), 30_000, 'the line')
})

test('a worker that hangs is told as not up, and is left alone', async () => {
  const pid = await worker()
  process.kill(pid, 'SIGSTOP')
  try {
    await until(() => isStopped(pid))
    expect((await metrics()).value('mokapot_edge_up', { edge: 'edge-1' })).toBe(0)
  } finally {
    process.kill(pid, 'SIGCONT')
  }
  const isUp = async () => (await metrics()).value('mokapot_edge_up', { edge: 'edge-1' }) === 1
  await until(isUp)
  expect(await worker()).toBe(pid)
})

test('a worker that was killed loses no line that was written, and its restart is counted', async () => {
  const before = (await logged()).length
  process.kill(await worker(), 'SIGKILL')
  // What is sent to it now reaches nobody.
  await Promise.all(Array.from({ length: 40 }, metrics))
  const isBack = async () => (await metrics()).value('mokapot_edge_up') === 1
  await until(isBack, 30_000, 'the new worker')
  await ask(cloud.addresses.site, '/after')
  await until(async () => (await logged()).length > before, 30_000, 'its line')
  expect((await logged()).at(-1)).toMatchObject({ path: '/after' })
  expect((await metrics()).value('mokapot_edge_restarts_total')).toBe(1)
})

test('what was asked last is in the log when the cloud has ended', async () => {
  await ask(cloud.addresses.site, '/last')
  await cloud.stop()
  expect((await logged()).at(-1)).toMatchObject({ path: '/last' })
})
