import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseInvalidation } from '../../src/edge/invalidation.ts'
import { type OriginServer, openOriginServer } from '../../src/edge/testing/origin-server.ts'
import { controlOf, deployFrom } from '../support/deploying.ts'
import { ask } from '../support/http.ts'
import {
  ROOT,
  remove,
  startUp,
  type TestCloud,
  temporaryFolder,
  until,
  writeProject,
} from '../support/moka.ts'
import { commandOf, descendants } from '../support/processes.ts'
import { createRandom } from '../support/random.ts'

// What an edge worker keeps on the disk, when it is killed and when it ends.

const random = createRandom('MOKA_CHAOS_SEED')
const folders: string[] = []
const folder = async (name: string) => {
  const path = await temporaryFolder(name)
  folders.push(path)
  return path
}
afterAll(async () => {
  for (const path of folders) await remove(path)
})

const WORKER = `
import { createEdge } from '${ROOT}/dist/edge/edge.js'
import { openEdgeServer } from '${ROOT}/dist/edge/server.js'
import { silentLogger as logger } from '${ROOT}/dist/shared/logger.js'
process.on('message', async message => {
  if (message.kind === 'invalidate') {
    edge.invalidate('site', message.patterns, [], message.sequence)
    process.send({ kind: 'done', disk: edge.stats().responses.disk })
    return
  }
  const { directory, journal, origin } = message
  const disk = { directory, journal, maxBytes: 4_000_000, admission: 'all' }
  const functions = { fetch: () => Promise.reject(new Error('none')), close: async () => {} }
  globalThis.edge = createEdge({
    blobs: { path: () => '/nowhere' }, functions, clock: Date, logger, edgeId: 'e', cacheBytes: 200_000, disk,
  })
  const live = {
    project: 'site', id: 'r-1', manifestSha256: '', hosts: ['site.test'], files: {}, redirects: [],
    headers: [], routes: [], modifiedMs: 0, behaviors: [{ pattern: '/*', origin: 'o' }],
    origins: { o: { url: origin } },
  }
  edge.setSites(new Map([['site', { live, retained: [] }]]))
  const listen = { host: '127.0.0.1', port: 0 }
  const { port } = await openEdgeServer({ edge, listen, logger })
  process.send({ kind: 'ready', port })
})
`

const PATHS = 400
const bodyOf = (path: string, version: number) =>
  `${path} version ${version};`.repeat(20 + (Number(path.slice(1)) % 40) * 20)

/** The version that the body at a path is of, every byte of it. */
async function versionOf(port: number, path: string): Promise<number> {
  const outgoing = request({ host: '127.0.0.1', port, path, headers: { host: 'site.test' } }).end()
  const [incoming] = await once(outgoing, 'response')
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  const version = Number(/^\S+ version (\d+);/.exec(text)?.[1])
  expect(text).toBe(bodyOf(path, version))
  return version
}

test('killed again and again while it writes, a worker serves no wrong byte and nothing forgotten', async () => {
  const directory = join(await folder('cache'), 'edge-1')
  /** What the origin answers with; and the least that a visitor may get. */
  const versions = new Map<string, number>()
  const confirmed = new Map<string, number>()
  const versionNow = (path: string) => versions.get(path) ?? 0
  let asked = 0
  const origin: Server = createServer((incoming, response) => {
    asked++
    const path = incoming.url!
    const version = versionNow(path)
    // Each answer was on its way for a moment.
    setImmediate(() => {
      response.writeHead(200, { 'cache-control': 'max-age=600' }).end(bodyOf(path, version))
    })
  })
  origin.listen(0, '127.0.0.1')
  await once(origin, 'listening')
  const url = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`
  const entries: { sequence: number; project: string; what: object }[] = []
  /** As the supervisor does: written down before anybody is told. */
  const invalidate = (path: string) => {
    versions.set(path, versionNow(path) + 1)
    const sequence = entries.length + 1
    entries.push({ sequence, project: 'site', what: parseInvalidation([path]) })
    return { kind: 'invalidate', patterns: [path], sequence }
  }
  let served = 0
  let hits = 0
  let worker: ChildProcess | undefined
  try {
    for (let round = 0; round < 5; round++) {
      worker = spawn(process.execPath, ['--input-type=module', '-e', WORKER], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      })
      const journal = { id: 'j', since: 0, last: entries.length, entries }
      worker.send({ directory, journal, origin: url })
      const [{ port }] = (await once(worker, 'message')) as [{ port: number }]
      let isKilled = false
      let failure: unknown
      const visitor = async () => {
        while (!isKilled) {
          const path = `/${random.below(PATHS)}`
          const least = confirmed.get(path) ?? 0
          const version = await versionOf(port, path).catch(error => {
            if (/ECONN|aborted|hang up/.test(String(error))) return undefined
            throw error
          })
          if (version === undefined) continue
          expect(version, `seed ${random.seed}, round ${round}`).toBeGreaterThanOrEqual(least)
          served++
        }
      }
      const visitors = Array.from({ length: 8 }, () =>
        visitor().catch(error => {
          failure = error
        }),
      )
      const target = served + 400 + random.below(400)
      while (served < target && failure === undefined) {
        const path = `/${random.below(PATHS)}`
        worker.send(invalidate(path))
        const [{ disk }] = (await once(worker, 'message')) as [{ disk: { hits: number } }]
        confirmed.set(path, versionNow(path))
        hits = Math.max(hits, disk.hits)
      }
      const exited = once(worker, 'exit')
      worker.kill('SIGKILL')
      await exited
      isKilled = true
      await Promise.all(visitors)
      if (failure !== undefined) throw failure
      // While it is dead.
      for (let i = 0; i < 20; i++) {
        const path = `/${random.below(PATHS)}`
        invalidate(path)
        confirmed.set(path, versionNow(path))
      }
    }
  } finally {
    worker?.kill('SIGKILL')
    origin.closeAllConnections()
    origin.close()
  }
  expect(hits).toBeGreaterThan(50)
  expect(asked).toBeLessThan(served)
}, 120_000)

let home: string
let origin: OriginServer
let cloud: TestCloud | undefined
beforeAll(async () => {
  home = await folder('home')
  origin = await openOriginServer()
})
afterAll(async () => {
  await cloud?.stop()
  await origin?.close()
})

test('a cloud that ends finds it again; what was invalidated while a worker was dead stays away', async () => {
  const project = await folder('project')
  const config = {
    name: 'site',
    domain: 'site.example',
    origins: { app: { url: origin.url } },
    behaviors: [{ pattern: '/app/*', origin: 'app' }],
  }
  await writeProject(project, {
    'moka.config.ts': `export default ${JSON.stringify(config)}\n`,
    'dist/index.html': 'home',
  })
  origin.onRequest((_incoming, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=600' })
    response.end(`answer ${origin.requests.length}`)
  })
  const page = async (path: string) => {
    const options = { host: 'site.example' }
    const answer = await ask(cloud!.addresses.site, path, options).catch(() => undefined)
    return answer?.status === 200 ? answer.body.toString() : undefined
  }
  /** Connections are spread over the workers: each of them has it, and was asked for it twice. */
  const warm = async (path: string) => {
    for (let i = 0; i < 40; i++) await page(path)
  }
  cloud = await startUp(home)
  const client = await controlOf(home)
  await deployFrom(project, client)
  for (const path of ['/app/a', '/app/b', '/app/c']) await warm(path)
  await client.invalidate('site', ['/app/a'])
  client.close()
  await cloud.stop()

  cloud = await startUp(home)
  const again = await controlOf(home)
  try {
    const before = origin.requests.length
    await until(
      async () => {
        const asked = origin.requests.length
        await warm('/app/b')
        return origin.requests.length === asked
      },
      30_000,
      'what was stored, from the disk',
    )
    expect(origin.requests.length - before).toBeLessThanOrEqual((await workers()).length)
    expect(await page('/app/c')).toMatch(/^answer \d+$/)
    const asked = origin.requests.length // a worker that nobody asked before has to ask, too

    for (const pid of await workers()) process.kill(pid, 'SIGKILL')
    await again.invalidate('site', ['/app/c'])
    await until(async () => (await page('/app/b')) !== undefined, 30_000, 'a worker')
    for (let i = 0; i < 40; i++) {
      const answer = await page('/app/c')
      if (answer !== undefined) expect(Number(answer.split(' ')[1])).toBeGreaterThan(asked)
    }
  } finally {
    again.close()
  }
})

async function workers(): Promise<number[]> {
  const below = await descendants(cloud!.pid)
  const commands = await Promise.all(below.map(commandOf))
  return below.filter((_, index) => /cloud\/workers\/worker\.js/.test(commands[index]!))
}
