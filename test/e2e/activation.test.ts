import { Agent } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadProject } from '../../src/config/load.ts'
import {
  type ControlClient,
  closeOwnCloud,
  deployFrom,
  type OwnCloud,
  openOwnCloud,
} from '../support/deploying.ts'
import { type Answer, ask } from '../support/http.ts'
import { moka, type TestCloud, writeProject } from '../support/moka.ts'

// Visitors ask without a pause while releases come and go. `moka up` runs one edge worker for
// each core, so that what one worker has already and another has not yet shows.

const DOMAIN = 'twin.example'

let own: OwnCloud | undefined
let root: string
let home: string
let cloud: TestCloud
let client: ControlClient

beforeAll(async () => {
  own = await openOwnCloud('activation')
  ;({ root, home, cloud, client } = own)
})

afterAll(() => closeOwnCloud(own))

/** Hex with letters and digits, as the names of hashed assets have it. */
const hashOf = (release: string) => `a1${Buffer.from(release).toString('hex').padEnd(8, '0')}`

/** A release that can be told from every other one by each of its answers. */
function releaseFiles(release: string, project: string, domain: string): Record<string, string> {
  const hash = hashOf(release)
  const page = (name: string) =>
    `<!doctype html><title>${name} ${release}</title>` +
    `<link rel="stylesheet" href="/assets/main.${hash}.css"><script src="/assets/app.${hash}.js">` +
    `</script><p>${name} of release ${release}</p>${`<p>${release}</p>`.repeat(40)}`
  return {
    'moka.config.ts': `export default {
      name: '${project}',
      domain: '${domain}',
      functions: {
        which: { entry: 'which.mjs', environment: { RELEASE: '${release}' } },
      },
    }\n`,
    'which.mjs': `export const handler = async () => ({
      statusCode: 200,
      headers: { 'content-type': 'text/plain' },
      body: '${release} ' + process.env.RELEASE,
    })\n`,
    'dist/index.html': page('home'),
    'dist/about/index.html': page('about'),
    'dist/404.html': page('missing'),
    'dist/plain.txt': `plain of ${release}\n`.repeat(30),
    'dist/shared.txt': 'the same in every release\n',
    [`dist/assets/main.${hash}.css`]: `p { content: '${release}' }\n`.repeat(20),
    [`dist/assets/app.${hash}.js`]: `export default '${release}'\n`.repeat(20),
  }
}

/** The bytes each path of a release has to answer with. */
function expectedAnswers(files: Record<string, string>): Map<string, string> {
  return new Map([
    ['/', files['dist/index.html']!],
    ['/about/', files['dist/about/index.html']!],
    ['/plain.txt', files['dist/plain.txt']!],
    ['/shared.txt', files['dist/shared.txt']!],
    ['/missing', files['dist/404.html']!],
  ])
}

const assetsIn = (html: string) =>
  [...html.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map(match => match[1]!)

/** Calls `step` again and again until told to stop; the first failure is kept. */
function repeat(step: () => Promise<void>): { stop(): Promise<number> } {
  let isStopped = false
  const rounds = (async () => {
    for (let count = 0; ; count++) {
      if (isStopped) return count
      await step()
    }
  })()
  rounds.catch(() => {}) // seen by stop()
  return {
    stop() {
      isStopped = true
      return rounds
    },
  }
}

test('across 50 deploys of two releases in turn every answer is of exactly one of them', async () => {
  const letters = ['a', 'b'] as const
  const files = { a: releaseFiles('a', 'twin', DOMAIN), b: releaseFiles('b', 'twin', DOMAIN) }
  for (const letter of letters) await writeProject(join(root, letter), files[letter])
  const projects = {
    a: await loadProject(join(root, 'a')),
    b: await loadProject(join(root, 'b')),
  }
  const answers = { a: expectedAnswers(files.a), b: expectedAnswers(files.b) }
  const seen = new Set<string>()
  /** r-1, r-3, … are a; r-2, r-4, … are b. */
  const letterOf = (answer: Answer) => {
    const number = Number(/^r-(\d+)$/.exec(String(answer.headers['x-moka-release']))?.[1])
    return letters[(number + 1) % 2]!
  }
  expect((await deployFrom(projects.a, client)).live).toBe('r-1')

  const agents: Agent[] = []
  const connection = () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    agents.push(agent)
    return (path: string) => ask(cloud.addresses.site, path, { host: DOMAIN, agent })
  }
  const reader = () => {
    const get = connection()
    return repeat(async () => {
      for (const path of answers.a.keys()) {
        const answer = await get(path)
        const letter = letterOf(answer)
        expect(answer.status, path).toBe(path === '/missing' ? 404 : 200)
        expect(answer.body.toString(), `${path} of ${letter}`).toBe(answers[letter].get(path))
        seen.add(letter)
      }
    })
  }
  const browser = () => {
    const [getPage, getAsset] = [connection(), connection()]
    return repeat(async () => {
      for (const path of ['/', '/about/', '/missing']) {
        const html = (await getPage(path)).body.toString()
        const assets = assetsIn(html)
        expect(assets).toHaveLength(2)
        for (const asset of assets) {
          const answer = await getAsset(asset)
          const letter = html === answers.a.get(path) || asset.includes(hashOf('a')) ? 'a' : 'b'
          expect(answer.status, `${asset}, named by ${path}`).toBe(200)
          expect(answer.body.toString(), asset).toBe(files[letter][`dist${asset}`])
        }
      }
    })
  }
  const caller = () => {
    const get = connection()
    return repeat(async () => {
      const answer = await get('/api/which')
      const letter = letterOf(answer)
      expect(answer).toMatchObject({ status: 200 })
      expect(answer.body.toString()).toBe(`${letter} ${letter}`)
    })
  }
  const visitors = [reader(), reader(), browser(), browser(), caller()]
  for (let number = 2; number <= 51; number++) {
    const letter = letters[(number + 1) % 2]!
    if (number % 15 === 0) {
      const { code, stdout, stderr } = await moka(['deploy', '--json'], {
        cwd: join(root, letter),
        env: { MOKA_HOME: home },
      })
      expect(code, stderr).toBe(0)
      expect(JSON.parse(stdout).release).toBe(`r-${number}`)
    } else expect((await deployFrom(projects[letter], client)).live).toBe(`r-${number}`)
  }
  const rounds = await Promise.all(visitors.map(visitor => visitor.stop()))
  for (const agent of agents) agent.destroy()
  for (const count of rounds) expect(count).toBeGreaterThan(10)
  expect(seen).toEqual(new Set(letters))
  expect(cloud.errors()).toBe('')
}, 150_000)

test('no page of a new release names an asset that another edge worker does not have yet', async () => {
  const host = 'news.example'
  const folder = join(root, 'news')
  const deployed = new Map<string, Record<string, string>>()
  const deployNumber = async (number: number) => {
    const release = `n${number}`
    const files = releaseFiles(release, 'news', host)
    deployed.set(hashOf(release), files)
    await writeProject(`${folder}-${number}`, files)
    await deployFrom(`${folder}-${number}`, client)
  }
  await deployNumber(1)
  // A new connection for each request: any worker may get it.
  const get = (path: string) => ask(cloud.addresses.site, path, { host })
  const browsers = Array.from({ length: 4 }, () =>
    repeat(async () => {
      const page = await get('/')
      for (const asset of assetsIn(page.body.toString())) {
        const answer = await get(asset)
        const files = deployed.get(/\.([0-9a-f]+)\./.exec(asset)![1]!)!
        expect(answer.status, `${asset}, named by ${page.headers['x-moka-release']}`).toBe(200)
        expect(answer.body.toString(), asset).toBe(files[`dist${asset}`])
      }
    }),
  )
  const caller = repeat(async () => {
    const called = await get('/api/which')
    const release = `n${String(called.headers['x-moka-release']).slice(2)}`
    expect(called.body.toString()).toBe(`${release} ${release}`)
  })
  for (let number = 2; number <= 20; number++) await deployNumber(number)
  const rounds = await Promise.all([...browsers, caller].map(visitor => visitor.stop()))
  for (const count of rounds) expect(count).toBeGreaterThan(5)
  expect(cloud.errors()).toBe('')
}, 150_000)
