import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type ControlClient,
  closeOwnCloud,
  controlOf,
  deployFrom,
  type OwnCloud,
  openOwnCloud,
} from '../support/deploying.ts'
import { ask } from '../support/http.ts'
import { type MokaResult, moka, startUp, type TestCloud, writeProject } from '../support/moka.ts'

let own: OwnCloud | undefined
let root: string
let home: string
let cloud: TestCloud
let client: ControlClient

beforeAll(async () => {
  own = await openOwnCloud('rollback')
  ;({ root, home, cloud, client } = own)
})

afterAll(() => closeOwnCloud(own))

const run = (args: string[], folder: string): Promise<MokaResult> =>
  moka([...args, '--json'], { cwd: join(root, folder), env: { MOKA_HOME: home } })

const get = (host: string, path: string) => ask(cloud.addresses.site, path, { host })

/** Everything a release consists of, each part telling its number. */
function wholeProject(number: number): Record<string, string> {
  return {
    'moka.config.ts': `export default {
      name: 'whole',
      domain: 'whole.example',
      functions: {
        api: {
          entry: 'api.mjs',
          routes: ['/api/${number === 1 ? 'old' : 'new'}', '/api/both'],
          environment: { NUMBER: '${number}' },
          rateLimit: '${number}000/minute',
        },
      },
      dns: { records: [{ name: '@', type: 'TXT', value: 'release ${number}' }] },
    }\n`,
    'api.mjs': `export const handler = async () => ({ statusCode: 200, body: 'code ${number}, setting ' + process.env.NUMBER })\n`,
    'dist/index.html': `page ${number}`,
    [`dist/only-${number}.txt`]: `only ${number}`,
    'dist/_redirects': `/go /to-${number} 302\n`,
    'dist/_headers': `/*\n  X-Number: ${number}\n`,
  }
}

/** What visitors meet of each part. */
async function observe() {
  const at = (path: string) => get('whole.example', path)
  const [page, one, two, go] = await Promise.all(['/', '/only-1.txt', '/only-2.txt', '/go'].map(at))
  const [both, old, fresh] = await Promise.all(['/api/both', '/api/old', '/api/new'].map(at))
  return {
    page: page!.body.toString(),
    header: page!.headers['x-number'],
    only: [one!.status, two!.status],
    redirect: go!.headers.location,
    function: both!.body.toString(),
    rateLimit: both!.headers['ratelimit-policy'],
    routes: [old!.status, fresh!.status],
    releases: [...new Set([page, both, go].map(answer => answer!.headers['x-moka-release']))],
  }
}

const observed = (number: number, release: string) => ({
  page: `page ${number}`,
  header: String(number),
  only: number === 1 ? [200, 404] : [404, 200],
  redirect: `/to-${number}`,
  function: `code ${number}, setting ${number}`,
  rateLimit: `"client";q=${number}000;w=60`,
  routes: number === 1 ? [200, 404] : [404, 200],
  releases: [release],
})

test('a rollback takes files, functions and settings back together, and forward again', async () => {
  for (const number of [1, 2]) {
    await writeProject(join(root, `whole-${number}`), wholeProject(number))
    expect(await run(['deploy'], `whole-${number}`)).toMatchObject({ code: 0 })
    expect(await observe()).toEqual(observed(number, `r-${number}`))
  }
  const back = await run(['rollback'], 'whole-2')
  expect(back.code, back.stderr).toBe(0)
  expect(JSON.parse(back.stdout)).toMatchObject({ release: 'r-1' })
  expect(await observe()).toEqual(observed(1, 'r-1'))
  const forward = await run(['rollback', 'r-2'], 'whole-2')
  expect(forward.code, forward.stderr).toBe(0)
  expect(await observe()).toEqual(observed(2, 'r-2'))
})

describe('what an old tab still asks for', () => {
  const site = (files: Record<string, string>) => ({
    'moka.config.ts': `export default { name: 'tabs', domain: 'tabs.example' }\n`,
    ...files,
  })
  const old = site({
    'dist/index.html': 'first',
    'dist/assets/app.0a1b2c3d.js': 'the old script',
    'dist/logo.svg': '<svg/>',
    'dist/docs/page.html': 'an old page',
  })

  beforeAll(async () => {
    await writeProject(join(root, 'tabs-1'), old)
    await writeProject(
      join(root, 'tabs-2'),
      site({ 'dist/index.html': 'second', 'dist/assets/app.4e5f6a7b.js': 'the new script' }),
    )
    await deployFrom(join(root, 'tabs-1'), client)
    await deployFrom(join(root, 'tabs-2'), client)
  })

  const expectOldTab = async () => {
    const script = await get('tabs.example', '/assets/app.0a1b2c3d.js')
    expect(script).toMatchObject({ status: 200, headers: { 'x-moka-release': 'r-1' } })
    expect(script.body.toString()).toBe('the old script')
    expect((await get('tabs.example', '/assets/app.4e5f6a7b.js')).status).toBe(200)
    for (const path of ['/logo.svg', '/docs/page', '/docs/page.html']) {
      expect((await get('tabs.example', path)).status, path).toBe(404)
    }
    expect((await get('tabs.example', '/')).body.toString()).toBe('second')
  }

  test('a hashed asset of an earlier release answers; its other files do not', expectOldTab)

  test('also after the cloud was started anew', async () => {
    await cloud.stop()
    client.close()
    cloud = await startUp(home)
    client = await controlOf(home)
    own = { root, home, cloud, client }
    await expectOldTab()
  })
})

describe('deploys at the same time', () => {
  const domain = 'race.example'
  /** No file of one is a file of another, so that a mixture would show. */
  const racer = (name: string, round: number) => ({
    'moka.config.ts': `export default { name: 'race', domain: '${domain}',
      functions: { who: { entry: 'who.mjs', rateLimit: '1000/minute' } } }\n`,
    'who.mjs': `export const handler = async () => ({ statusCode: 200, body: '${name}' })\n`,
    'dist/index.html': `${name} ${round}`,
    ...Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [
        `dist/${name}/${i}.txt`,
        `${name} ${round} ${i}\n`.repeat(50),
      ]),
    ),
  })
  const names = ['ann', 'ben', 'cat']

  test('end well or with a clear error, and what is live is exactly one of them', async () => {
    for (let round = 1; round <= 3; round++) {
      for (const name of names) await writeProject(join(root, name), racer(name, round))
      const results = await Promise.all(names.map(name => run(['deploy'], name)))
      for (const { code, stderr } of results) {
        expect([0, 1]).toContain(code)
        if (code === 0) expect(stderr).toBe('')
        else expect(JSON.parse(stderr).error.message).toMatch(/^cannot deploy project "race": /)
      }
      expect(results.some(({ code }) => code === 0)).toBe(true)
      const live = (await client.live('race'))!
      const winner = names.find(name => live.manifest.files[`/${name}/0.txt`] !== undefined)!
      const paths = Array.from({ length: 40 }, (_, i) => `/${winner}/${i}.txt`)
      expect(new Set(Object.keys(live.manifest.files))).toEqual(new Set(['/index.html', ...paths]))
      expect((await get(domain, '/')).body.toString()).toBe(`${winner} ${round}`)
      expect((await get(domain, '/api/who')).body.toString()).toBe(winner)
      const plan = results.map(({ stdout }) => (stdout === '' ? {} : JSON.parse(stdout)))
      expect(plan.find(({ release }) => release === live.id)?.manifestSha256).toBe(
        live.manifestSha256,
      )
    }
  })

  test('from one folder wait for one another: no build takes files away from a deploy', async () => {
    const folder = join(root, 'built')
    const deploy = (round: number) =>
      writeProject(folder, {
        'moka.config.ts': `export default { name: 'built', domain: 'built.example', site: { build: 'sh build.sh' } }\n`,
        'build.sh': `rm -rf dist && mkdir dist && for i in 1 2 3 4 5 6 7 8 9; do echo "$i of ${round}" > dist/$i.txt; done\n`,
      })
    for (let round = 1; round <= 3; round++) {
      await deploy(round)
      const results = await Promise.all([1, 2].map(() => run(['deploy'], 'built')))
      for (const { code, stderr } of results) expect(code, stderr).toBe(0)
      for (let i = 1; i <= 9; i++) {
        const answer = await get('built.example', `/${i}.txt`)
        expect(answer.body.toString()).toBe(`${i} of ${round}\n`)
      }
    }
    const releases = await client.releases('built') // each of them whole, whoever came first
    expect(releases.map(({ files }) => files)).toEqual([9, 9, 9])
  })
})
