import { afterAll, beforeAll, expect, test } from 'vitest'
import { closeOwnCloud, deployFrom, type OwnCloud, openOwnCloud } from '../support/deploying.ts'
import { ask, portOf } from '../support/http.ts'
import { until, writeProject } from '../support/moka.ts'
import { commandOf, descendants, isStopped, untilGone } from '../support/processes.ts'
import { createRandom } from '../support/random.ts'
import { acceptsOn, peerPortsHeldBy, startVisitors, type Visitors } from '../support/visitors.ts'

// What visitors lose when an edge worker is killed, replaced, or the whole cloud ends.

const random = createRandom('MOKA_CHAOS_SEED')
const HOST = 'site.example'
const BODY = 'the same page, whoever answers'
const VISITORS = 16
const CONFIG = `export default {
  name: 'site', domain: '${HOST}', functions: { slow: { entry: 'slow.mjs' } },
}
`
const SLOW_FUNCTION = `export const handler = async () => {
  await new Promise(resolve => setTimeout(resolve, 2500))
  return { statusCode: 200, body: 'at last' }
}
`
let own: OwnCloud
let visitors: Visitors | undefined

beforeAll(async () => {
  own = await openOwnCloud('loss')
  await writeProject(own.root, {
    'moka.config.ts': CONFIG,
    'slow.mjs': SLOW_FUNCTION,
    'dist/index.html': BODY,
  })
  await deployFrom(own.root, own.client)
})

afterAll(async () => {
  await visitors?.stop()
  await closeOwnCloud(own)
})

async function workers(): Promise<number[]> {
  const below = await descendants(own.cloud.pid)
  const commands = await Promise.all(below.map(commandOf))
  return below.filter((_, index) => /cloud\/workers\/worker\.js/.test(commands[index]!))
}

function start(): Visitors {
  const port = portOf(own.cloud.addresses.site)
  visitors = startVisitors({ port, host: HOST, path: '/', body: BODY, count: VISITORS })
  return visitors
}

const areAnswered = (visitors: Visitors, more: number) => {
  const enough = visitors.answered() + more
  return until(async () => visitors.answered() >= enough, 30_000, 'answers')
}

test('a worker killed under load takes with it only the requests on its own connections', async () => {
  const count = (await workers()).length
  const port = portOf(own.cloud.addresses.site)
  const visitors = start()
  let held = 0
  for (let round = 1; round <= 6; round++) {
    await areAnswered(visitors, 500)
    const lostBefore = visitors.lost.length
    const victim = random.pick(await workers())
    process.kill(victim, 'SIGSTOP') // what it holds must not change while we look
    await until(() => isStopped(victim), 30_000, 'the worker to stop')
    const ports = await peerPortsHeldBy(victim, port)
    held += ports.size
    process.kill(victim, 'SIGKILL')
    await areAnswered(visitors, 500)
    // With nobody else who accepts, what waits for that would be lost as well.
    await until(async () => {
      const accepting = await Promise.all((await workers()).map(pid => acceptsOn(pid, port)))
      return accepting.filter(Boolean).length === count
    })
    const lost = visitors.lost.slice(lostBefore)
    expect(
      lost.filter(one => !ports.has(one)),
      `seed ${random.seed}, round ${round}`,
    ).toEqual([])
    expect(new Set(lost).size).toBe(lost.length) // a connection is lost once
  }
  await visitors.stop()
  expect(held).toBeGreaterThan(0) // or nothing was put to the test
  expect(visitors.lost.length).toBeGreaterThan(0)
  expect(visitors.wrong).toEqual([])
})

test('SIGHUP puts new workers in place of the old, and nobody loses a request', async () => {
  const before = await workers()
  const visitors = start()
  await areAnswered(visitors, 500)
  const slow = ask(own.cloud.addresses.site, '/api/slow', { host: HOST })
  own.cloud.process.kill('SIGHUP')
  await until(
    async () => {
      const now = await workers()
      return now.length === before.length && now.every(pid => !before.includes(pid))
    },
    30_000,
    'new workers',
  )
  await areAnswered(visitors, 500)
  await visitors.stop()
  expect((await slow).body.toString()).toBe('at last')
  expect(visitors.lost).toEqual([])
  expect(visitors.wrong).toEqual([])
})

test('a worker that does not confirm a release is taken out, and the one in its place confirms', async () => {
  const before = await workers()
  const victim = random.pick(before)
  process.kill(victim, 'SIGSTOP')
  await writeProject(own.root, { 'moka.config.ts': CONFIG, 'dist/index.html': 'a newer page' })
  const { activated } = await deployFrom(own.root, own.client)
  expect(activated?.confirmedBy).toHaveLength(before.length)
  expect(await workers()).not.toContain(victim)
  const pages = await Promise.all(
    Array.from({ length: 20 }, () => ask(own.cloud.addresses.site, '/', { host: HOST })),
  )
  expect(new Set(pages.map(page => page.body.toString()))).toEqual(new Set(['a newer page']))
})

test('when the cloud ends, requests under way get their answers first', async () => {
  const linesBefore = (await own.client.logs('site', 'slow', 100)).length
  const slow = ask(own.cloud.addresses.site, '/api/slow', { host: HOST })
  const pids = [own.cloud.pid, ...(await descendants(own.cloud.pid))]
  await until(
    async () => (await own.client.logs('site', 'slow', 100)).length > linesBefore,
    30_000,
    'the call',
  )
  own.cloud.process.kill('SIGTERM')
  expect((await slow).body.toString()).toBe('at last')
  await untilGone(pids, 30_000)
})
