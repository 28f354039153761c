import { createHash } from 'node:crypto'
import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { blobsOf, decodeManifest, type ReleaseManifest } from '../../src/releases/manifest.ts'
import { ask } from '../support/http.ts'
import {
  copyPortfolio,
  type MokaResult,
  moka,
  processesWith,
  remove,
  startDev,
  type TestCloud,
  temporaryFolder,
  until,
} from '../support/moka.ts'
import { commandOf, descendants, untilGone } from '../support/processes.ts'
import { createRandom } from '../support/random.ts'

// kill -9 at random moments, of everything, of the main process, of any one process. Afterwards
// it starts, the live release is whole, and no count that a visitor was shown is lost.
// MOKA_CHAOS_SEED makes other choices; the moments stay the machine's.

const ROUNDS = 22
/** Rounds that begin while the database is not initialised yet, or is being initialised. */
const FIRST_ROUNDS = 3
const ORPHANS_END_MS = 30_000

const random = createRandom('MOKA_CHAOS_SEED')
let project: string
let cloud: TestCloud
const clouds: TestCloud[] = []

beforeAll(async () => {
  project = join(await temporaryFolder('chaos'), 'portfolio')
  await copyPortfolio(project)
  cloud = await start()
})

afterAll(async () => {
  for (const one of clouds) await one.stop()
  await remove(join(project, '..'))
})

async function start(): Promise<TestCloud> {
  const started = await startDev(project)
  clouds.push(started)
  return started
}

/** Every call comes from an address of its own: the limit of 5 a minute is another test's. */
let calls = 0
function callVisits(method: 'GET' | 'POST') {
  calls++
  const localAddress = `127.77.${calls >> 8}.${calls & 255}`
  return ask(cloud.addresses.site, '/api/visits', { method, localAddress })
}

const shown: number[] = []
const highest = () => shown.reduce((most, count) => Math.max(most, count), 0)

/** People who visit until told to stop; what fails because of a kill is asked again. */
function visit(people: number): { stop(): Promise<void> } {
  let isStopped = false
  const one = async () => {
    while (!isStopped) {
      const answer = await callVisits('POST').catch(() => undefined)
      if (answer?.status === 200) shown.push(JSON.parse(answer.body.toString()).count)
      else await delay(5) // nobody is there; without a pause this would be all that runs
    }
  }
  const all = Promise.all(Array.from({ length: people }, one))
  return {
    async stop() {
      isStopped = true
      await all
    },
  }
}

/** The release that the data directory itself says is live, checked blob by blob. */
async function releaseOnDisk(): Promise<ReleaseManifest> {
  const data = join(project, '.moka')
  const blob = (sha256: string) => readFile(join(data, 'bucket/blobs', sha256))
  const pointer = JSON.parse(await readFile(join(data, 'projects/portfolio/live.json'), 'utf8'))
  const manifest = decodeManifest(await blob(pointer.manifestSha256))
  expect(manifest.id).toBe(pointer.id)
  const blobs = Array.from(blobsOf(manifest), ({ sha256 }) => sha256)
  for (const sha256 of new Set([pointer.manifestSha256, ...blobs])) {
    const actual = createHash('sha256')
      .update(await blob(sha256))
      .digest('hex')
    expect(actual, `a blob of ${manifest.id}`).toBe(sha256)
  }
  return manifest
}

/** Every file of a release answers with its bytes. */
async function expectServed(manifest: ReleaseManifest): Promise<void> {
  for (const [path, file] of Object.entries(manifest.files)) {
    if (path === '/404.html') continue
    const answer = await ask(cloud.addresses.site, path.replace(/index\.html$/, ''))
    expect(answer.status, path).toBe(200)
    expect(createHash('sha256').update(answer.body).digest('hex'), path).toBe(file.sha256)
  }
}

async function countNow(): Promise<number> {
  let count = -1
  const isAnswered = async () => {
    const answer = await callVisits('GET').catch(() => undefined)
    if (answer?.status === 200) count = JSON.parse(answer.body.toString()).count
    return answer?.status === 200
  }
  await until(isAnswered, 30_000, 'an answer of GET /api/visits')
  return count
}

type Target = 'everything' | 'main' | 'one'

/** Kills and returns what was killed, and what has to end because of it. */
async function kill(target: Target): Promise<{ names: string; orphans: number[] }> {
  const below = await descendants(cloud.pid)
  const chosen =
    target === 'everything'
      ? random.shuffled([cloud.pid, ...below])
      : [target === 'main' || below.length === 0 ? cloud.pid : random.pick(below)]
  const names = target === 'one' ? await commandOf(chosen[0]!) : target
  for (const pid of chosen) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {} // ended by the death of another one
  }
  return { names, orphans: chosen.includes(cloud.pid) ? below : [] }
}

test(`${ROUNDS} random kills lose no visit and no release`, async () => {
  console.log(`chaos: MOKA_CHAOS_SEED=${random.seed}`)
  for (let round = 1; round <= ROUNDS; round++) {
    const isFirst = round <= FIRST_ROUNDS
    const target: Target = isFirst ? 'everything' : random.pick(['everything', 'main', 'one'])
    const deploying = random.pick(['none', 'change', 'command'] as const)
    const momentMs = random.below(isFirst ? 1200 : 400)

    const visitors = visit(4)
    let command: Promise<MokaResult> | undefined
    if (deploying !== 'none') {
      // Followed by `moka dev` at once; the command deploys the same and gets in its way.
      await appendFile(join(project, 'site/about/index.html'), `<!-- round ${round} -->\n`)
      if (deploying === 'command') command = moka(['deploy', '--json'], { cwd: project })
    }
    await delay(momentMs)
    const { names, orphans } = await kill(target)
    const where = `seed ${random.seed}, round ${round}: ${names} after ${momentMs} ms, deploying: ${deploying}`

    try {
      if (orphans.length > 0 || target !== 'one') {
        await untilGone([cloud.pid], 30_000)
        await releaseOnDisk()
        cloud = await start() // at once: what is left of the one before must not be in the way
        await untilGone(orphans, ORPHANS_END_MS)
      }
      if (command !== undefined) {
        const { code, stderr } = await command
        expect([0, 1]).toContain(code)
        expect(stderr).not.toMatch(/^\s+at /m)
        if (code === 1) expect(stderr).toMatch(/"message":"cannot /)
      }
      await visitors.stop()
      expect(await countNow()).toBeGreaterThanOrEqual(highest())
      expect(new Set(shown).size, 'counts shown are all different').toBe(shown.length)
      await expectServed(await releaseOnDisk())
    } catch (error) {
      await visitors.stop()
      const { message } = error as Error
      throw new Error(`${where}\n${message}\n${cloud.errors()}`, { cause: error })
    }
  }
  expect(shown.length).toBeGreaterThan(ROUNDS)
}, 600_000)

test('after kill -9 of the main process alone nothing is left, frozen functions included', async () => {
  const count = await countNow() // a function has run, and is frozen now
  const below = await descendants(cloud.pid)
  const commands = (await Promise.all(below.map(commandOf))).join('\n')
  for (const part of [/worker/, /postgres/, /zygote|bootstrap/]) expect(commands).toMatch(part)
  await cloud.kill()
  await untilGone(below, ORPHANS_END_MS)
  await until(async () => (await processesWith(project)).length === 0, ORPHANS_END_MS)
  cloud = await start()
  expect(await countNow()).toBe(count)
})
