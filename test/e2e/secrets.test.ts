import { readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FunctionLogEntry } from '../../src/functions/version.ts'
import { controlOf } from '../support/deploying.ts'
import { commit, createRepository, git, remoteOf } from '../support/git.ts'
import { ask } from '../support/http.ts'
import {
  type MokaResult,
  moka,
  remove,
  startDev,
  startUp,
  type TestCloud,
  temporaryFolder,
  until,
  writeProject,
} from '../support/moka.ts'
import { createRandom } from '../support/random.ts'

const NODE = `
exports.handler = async () => {
  const key = process.env.STRIPE_KEY
  console.log('key is ' + key + ', in base64 ' + Buffer.from('u:' + key).toString('base64'))
  process.stderr.write(key.slice(0, 5))
  process.stderr.write(key.slice(5) + '\\n')
  return { key, other: process.env.OTHER ?? null }
}
exports.failing = async () => {
  throw new Error('cannot pay with ' + process.env.STRIPE_KEY)
}
`
const PYTHON = `
import os
def handler(event, context):
    print("python has", os.environ["STRIPE_KEY"], flush=True)
    return {"key": os.environ["STRIPE_KEY"], "other": os.environ.get("OTHER")}
`
const PROJECT = {
  'moka.config.ts': `export default {
    name: 'site', domain: 'site.example',
    functions: {
      pay: { entry: 'functions/pay.cjs', secrets: ['STRIPE_KEY'] },
      fail: { entry: 'functions/pay.cjs', handler: 'failing', secrets: ['STRIPE_KEY'] },
      book: { entry: 'functions/book.py', secrets: ['STRIPE_KEY'] },
      plain: { entry: 'functions/plain.cjs' },
    },
  }\n`,
  'dist/index.html': 'one',
  'functions/pay.cjs': NODE,
  'functions/book.py': PYTHON,
  'functions/plain.cjs':
    'exports.handler = async () => ({ key: process.env.STRIPE_KEY ?? null })\n',
}

let project: string
let home: string
let clouds: TestCloud[]
beforeEach(async () => {
  project = await temporaryFolder('secrets')
  home = await temporaryFolder('secrets-home')
  clouds = []
  await writeProject(project, PROJECT)
})
afterEach(async () => {
  await Promise.all(clouds.map(cloud => cloud.stop()))
  await remove(project)
  await remove(home)
})

async function up(): Promise<TestCloud> {
  const cloud = await startUp(home)
  clouds.push(cloud)
  return cloud
}

const run = (args: readonly string[], input?: string): Promise<MokaResult> =>
  moka(args, {
    cwd: project,
    env: { MOKA_HOME: home },
    ...(input === undefined ? {} : { input }),
  })

async function invoke(name: string): Promise<{ key: string; other: string | null }> {
  return JSON.parse((await run(['invoke', name])).stdout)
}

/** Every file below a folder in which one of the texts stands, while a cloud writes and removes there. */
async function filesWith(folder: string, texts: readonly string[]): Promise<string[]> {
  const found: string[] = []
  // Not readdir's own recursion: it fails where a folder goes between its being listed and being read.
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(nothingIfGone)) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) found.push(...(await filesWith(path, texts)))
    if (!entry.isFile()) continue
    const content = String(await readFile(path, 'latin1').catch(nothingIfGone))
    if (texts.some(text => content.includes(text))) found.push(path)
  }
  return found
}

function nothingIfGone(error: NodeJS.ErrnoException): never[] {
  if (error.code !== 'ENOENT') throw error
  return []
}

describe('a secret', () => {
  it('has to be set before a function that needs it is deployed, and reaches that one alone', async () => {
    await up()
    const refused = await run(['deploy'])
    expect(refused.stderr).toContain(
      'function "pay" needs secret "STRIPE_KEY", which is not set\ntry: moka secrets set STRIPE_KEY\n',
    )
    expect(refused.code).toBe(1)
    const set = await run(['secrets', 'set', 'STRIPE_KEY'], 'sk_live_first\n')
    expect(set).toMatchObject({ code: 0, stdout: 'secret STRIPE_KEY of site is set\n' })
    await run(['secrets', 'set', 'OTHER'], 'another one')
    expect(await run(['deploy'])).toMatchObject({ code: 0 })
    for (const name of ['pay', 'book']) {
      expect(await invoke(name)).toEqual({ key: 'sk_live_first', other: null })
    }
    expect(await invoke('plain')).toEqual({ key: null })

    const listed = await run(['secrets', 'list'])
    expect(listed.stdout).toMatch(/^OTHER +set \d+ seconds? ago +in no function/m)
    expect(listed.stdout).toMatch(
      /^STRIPE_KEY +set .* +function pay, function fail, function book$/m,
    )
    expect(listed.stdout).not.toContain('sk_live')
    const { stdout } = await run(['secrets', 'list', '--json'])
    expect(JSON.parse(stdout).secrets[1]).toMatchObject({ functions: ['pay', 'fail', 'book'] })
  })

  it('reaches functions anew when it is changed, without a deploy, and counts for every release', async () => {
    const cloud = await up()
    await run(['secrets', 'set', 'STRIPE_KEY'], 'sk_live_first')
    await run(['deploy'])
    expect((await invoke('pay')).key).toBe('sk_live_first')
    const changed = await run(['secrets', 'set', 'STRIPE_KEY'], 'sk_live_second')
    expect(changed.stdout).toContain('3 functions get it from the next invocation on')
    for (const name of ['pay', 'book']) expect((await invoke(name)).key).toBe('sk_live_second')

    await run(['deploy', '--preview', 'draft'])
    const ofPreview = async () => {
      const { body } = await ask(cloud.addresses.site, '/api/pay', {
        host: 'draft.preview.site.example',
      })
      return JSON.parse(body.toString())
    }
    expect(await ofPreview()).toMatchObject({ key: 'sk_live_second' })
    await run(['secrets', 'set', 'STRIPE_KEY'], 'sk_live_other')
    expect(await ofPreview()).toMatchObject({ key: 'sk_live_other' })

    const inUse = await run(['secrets', 'remove', 'STRIPE_KEY'])
    expect(inUse.stderr).toContain('function "pay" uses it in the live release')
    const config = `export default { name: 'site', functions: { plain: { entry: 'functions/plain.cjs' } } }\n`
    await writeFile(join(project, 'moka.config.ts'), config)
    expect(await run(['deploy'])).toMatchObject({ code: 0 })
    expect(await run(['secrets', 'remove', 'STRIPE_KEY'])).toMatchObject({ code: 0 })
    const back = await run(['rollback'])
    expect(back.stderr).toContain('needs secret "STRIPE_KEY", which is not set')
    await run(['secrets', 'set', 'STRIPE_KEY'], 'sk_live_third')
    expect(await run(['rollback'])).toMatchObject({ code: 0 })
    expect((await invoke('pay')).key).toBe('sk_live_third')
  })

  it('is in no log and in no file of the cloud', async () => {
    const cloud = await up()
    await run(['secrets', 'set', 'STRIPE_KEY'], 'sk_live_first')
    await run(['deploy'])
    const client = await controlOf(home)
    const followed: FunctionLogEntry[] = []
    const stop = client.followLogs(
      'site',
      undefined,
      100, // whatever is said before the cloud has heard of this
      entry => followed.push(entry),
      () => {},
    )
    try {
      for (const name of ['pay', 'book']) await invoke(name)
      const failed = await run(['invoke', 'fail'])
      expect(failed.stdout + failed.stderr).toContain('cannot pay with ***')
      await ask(cloud.addresses.site, '/api/fail', { host: 'site.example' })
      await until(() => followed.filter(({ isFailure }) => isFailure).length === 2)
    } finally {
      stop()
      client.close()
    }
    const { stdout } = await run(['logs'])
    for (const said of [stdout, followed.map(({ text }) => text).join('\n')]) {
      expect(said).toMatch(/key is \*\*\*, in base64 \S{0,4}\*\*\*/)
      expect(said).toContain('python has ***')
      expect(said).toContain('cannot pay with ***')
      expect(said).not.toContain('sk_live')
    }
    expect(stdout).toMatch(/ \*\*\*$/m) // what came in two pieces
    await run(['secrets', 'set', 'STRIPE_KEY'], 'sk_live_second')
    const forms = ['sk_live_', 'STRIPE_KEY=', Buffer.from('sk_live_fi').toString('base64')]
    expect(await filesWith(home, ['exports.failing'])).not.toEqual([]) // it does look into them
    expect(await filesWith(home, forms)).toEqual([])
    expect(cloud.errors()).not.toContain('sk_live')
  })

  it('is taken from no command line, and what stands there is not repeated', async () => {
    for (const args of [['STRIPE_KEY=sk_live_first'], ['STRIPE_KEY', 'sk_live_first']]) {
      const { code, stderr, stdout } = await run(['secrets', 'set', ...args])
      expect(code).not.toBe(0)
      expect(stderr + stdout).not.toContain('sk_live_first')
      expect(stderr).toContain('| moka secrets set STRIPE_KEY')
    }
  })

  it('has the name of a variable and a value that a variable can have', async () => {
    await up()
    for (const [name, value, reason] of [
      ['AWS_REGION', 'value', 'Lambda keeps that for itself'],
      ['not-a-name', 'value', 'not the name of an environment variable'],
      ['EMPTY', '\n', 'is empty'],
      ['ZERO', 'a\0b', 'has a zero byte'],
      ['LONG', 'x'.repeat(70_000), 'is longer than'],
    ] as const) {
      const refused = await run(['secrets', 'set', name], value)
      expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(reason) })
      expect(refused.stderr).toContain('\ntry: ')
    }
  })

  it('has the old value or the new one after a kill -9, and what was confirmed is kept', async () => {
    const random = createRandom('MOKA_TEST_SEED')
    await writeProject(project, {
      'moka.config.ts': `export default { name: 'site', functions: { count: { entry: 'count.cjs', secrets: ['COUNT'] } } }\n`,
      'count.cjs': 'exports.handler = async () => process.env.COUNT\n',
    })
    let cloud = await up()
    let client = await controlOf(home)
    let kept = 0
    for (let round = 0; round < 3; round++) {
      let confirmed = kept
      let asked = kept
      const setting = (async () => {
        for (;;) {
          await client.secrets.set('site', 'COUNT', `value ${++asked}`)
          confirmed = asked
        }
      })().catch(() => {})
      const goal = kept + 3 + random.below(20)
      await until(() => confirmed >= goal, 30_000, `seed ${random.seed}`)
      await cloud.kill()
      await setting
      client.close()
      clouds = []
      cloud = await up()
      client = await controlOf(home)
      if (round === 0) await run(['deploy'])
      const { payload } = await client.invoke('site', 'count', {})
      kept = Number(/^value (\d+)$/.exec(String(payload))?.[1])
      expect([confirmed, asked], `seed ${random.seed}`).toContain(kept)
    }
    client.close()
  })

  it('says which key file is the wrong one; the site is served, and no function runs without it', async () => {
    await up()
    await run(['secrets', 'set', 'STRIPE_KEY'], 'sk_live_first')
    await run(['deploy'])
    await clouds.pop()!.stop()
    const key = join(home, 'secrets.key')
    await rename(key, `${key}.aside`)
    const cloud = await up()
    expect(cloud.errors()).toContain(`encrypted with another key than "${key}"`)
    const page = await ask(cloud.addresses.site, '/', { host: 'site.example' })
    expect(page.body.toString()).toBe('one')
    const failed = await run(['invoke', 'pay'])
    expect(failed.code).toBe(1)
    expect(failed.stderr).toContain(key)
    expect((await run(['secrets', 'set', 'STRIPE_KEY'], 'sk_live_2')).stderr).toContain(key)
    await clouds.pop()!.stop()
    await rename(`${key}.aside`, key)
    await up()
    expect((await invoke('pay')).key).toBe('sk_live_first')
  })
})

describe('in development', () => {
  it('a secret that is missing is told of, and is there once it is set', async () => {
    const cloud = await startDev(project)
    clouds.push(cloud)
    expect(cloud.errors()).toContain('function "pay" needs secret "STRIPE_KEY", which is not set')
    const site = (path: string) => ask(cloud.addresses.site, path)
    expect((await site('/api/pay')).status).toBe(502)
    await run(['secrets', 'set', 'STRIPE_KEY'], 'sk_test_dev')
    expect(JSON.parse((await site('/api/pay')).body.toString())).toMatchObject({
      key: 'sk_test_dev',
    })
  })
})

describe('a build', () => {
  async function pushed(config: string, build: string) {
    const cloud = clouds[0] ?? (await up())
    const token = (await readFile(join(home, 'token'), 'utf8')).trim()
    const folder = join(project, 'pushed')
    await createRepository(folder, remoteOf(cloud.addresses.control, token, 'site'))
    await commit(folder, {
      'moka.config.ts': `export default { name: 'site', domain: 'site.example', site: { directory: 'out', build: { command: 'sh build.sh', ${config} } } }\n`,
      'build.sh': `mkdir -p out && ${build}\n`,
    })
    return git(folder, 'push', 'home', 'main')
  }

  it('on the cloud gets the secrets that it names and no other, and its output is masked', async () => {
    await up()
    await run(['secrets', 'set', 'CMS_TOKEN'], 'cms_token_1')
    await run(['secrets', 'set', 'STRIPE_KEY'], 'sk_live_first')
    const { code, output } = await pushed(
      `secrets: ['CMS_TOKEN']`,
      'env > out/env.txt; echo token $CMS_TOKEN; printf cms_; sleep 0.1; echo token_1',
    )
    expect(output).toMatch(/remote: token \*\*\*/)
    expect(output).toMatch(/remote: \*\*\*/)
    expect(output).not.toMatch(/cms_token|_1\b/)
    expect(code).toBe(0)
    const page = await ask(clouds[0]!.addresses.site, '/env.txt', { host: 'site.example' })
    const variables = page.body.toString()
    expect(variables).toContain('CMS_TOKEN=cms_token_1\n')
    expect(variables).not.toMatch(/STRIPE|MOKA_/)
  })

  it('is refused by name where one is not set', async () => {
    const { code, output } = await pushed(`secrets: ['CMS_TOKEN']`, 'true')
    expect(code).not.toBe(0)
    expect(output).toContain('the build needs secret "CMS_TOKEN", which is not set')
  })

  it('elsewhere has them from its shell, and the cloud keeps its own', async () => {
    await up()
    await run(['secrets', 'set', 'CMS_TOKEN'], 'cms_token_1')
    await writeProject(project, {
      'moka.config.ts': `export default { name: 'site', domain: 'site.example', site: { directory: 'dist', build: { command: 'echo $CMS_TOKEN | tee dist/token.txt', secrets: ['CMS_TOKEN'] } } }\n`,
    })
    const refused = await run(['deploy'])
    expect(refused.stderr).toContain('cannot read secret "CMS_TOKEN"')
    expect(refused.stderr).toContain('export CMS_TOKEN=')
    const env = { MOKA_HOME: home, CMS_TOKEN: 'of the shell' }
    const deployed = await moka(['deploy'], { cwd: project, env })
    expect(deployed.code).toBe(0)
    expect(deployed.stderr).toContain('***\n')
    expect(await readFile(join(project, 'dist/token.txt'), 'utf8')).toBe('of the shell\n')
  })
})
