import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ask } from '../support/http.ts'
import {
  moka,
  remove,
  replaceFile,
  startDev,
  type TestCloud,
  temporaryFolder,
  until,
  writeProject,
} from '../support/moka.ts'

// What `moka dev` says after its addresses, to a developer who looks at no log.

let project: string
let cloud: TestCloud
beforeEach(async () => {
  project = await temporaryFolder('dev-news')
  await writeProject(project, files('first', '{ echo: ECHO }'))
  cloud = await startDev(project)
})
afterEach(async () => {
  await cloud?.stop()
  await remove(project)
})

const FAIL = `export const handler = async () => { throw new RangeError('too hot') }\n`

function files(name: string, functions: string): Record<string, string> {
  const config = `import { defineConfig } from 'mokapot'
const ECHO = { entry: 'functions/echo.ts', routes: ['/api/echo'] }
const FAIL = { entry: 'functions/fail.ts', routes: ['/api/fail'] }
export default defineConfig({
  name: '${name}',
  domain: 'coffee.example',
  site: { directory: 'public' },
  functions: ${functions},
})
`
  return {
    'moka.config.ts': config,
    'public/index.html': name,
    'functions/echo.ts': 'export const handler = async () => ({ statusCode: 404, body: "no" })\n',
    'functions/fail.ts': FAIL,
  }
}

const isSaid = (text: string | RegExp) =>
  until(() => cloud.errors().search(text) >= 0, 30_000, `"${text}" in ${cloud.errors()}`)

it('gives an added function’s address, and each failure in one line', async () => {
  await writeProject(project, files('first', '{ echo: ECHO, fail: FAIL }'))
  const { site } = cloud.addresses
  await isSaid(`function fail, Node, at ${site}/api/fail`)
  expect((await ask(site, '/api/echo')).status).toBe(404)
  for (const _time of [1, 2, 3]) expect((await ask(site, '/api/fail')).status).toBe(502)
  await isSaid('function "fail" failed: RangeError: too hot; moka logs fail\n')
  expect(cloud.errors().match(/ failed: /g)).toHaveLength(1)
})

it('says when a mistake is mended, and when another command rolls back', async () => {
  const config = files('first', '{ echo: ECHO }')['moka.config.ts'] ?? ''
  await writeFile(join(project, 'moka.config.ts'), config.replace('echo.ts', 'gone.ts'))
  await isSaid('gone.ts')
  await writeFile(join(project, 'moka.config.ts'), config)
  await isSaid('nothing differs from r-1, which stays live')
  await replaceFile(join(project, 'public/index.html'), 'changed')
  await isSaid('1 change live as r-2')
  await moka(['rollback'], { cwd: project })
  await isSaid('r-1 went live by another command')
})

it('comes to rest where the build writes a file that is watched', async () => {
  const [config = ''] = Object.values(files('first', '{ echo: ECHO }'))
  await writeFile(
    join(project, 'moka.config.ts'),
    config.replace(`{ directory: 'public' }`, `{ build: 'echo . >> runs; mkdir -p dist' }`),
  )
  await isSaid('live as r-2')
  const runs = async () => (await readFile(join(project, 'runs'), 'utf8')).length
  let [seen, seenMs] = [0, 0]
  await until(
    async () => {
      const now = await runs()
      if (now !== seen) [seen, seenMs] = [now, performance.now()]
      return performance.now() - seenMs > 1500
    },
    30_000,
    'the last build',
  )
  await replaceFile(join(project, 'functions/echo.ts'), 'export const handler = async () => 1')
  await isSaid('1 change live as r-3')
})

it('serves the project under its new name, for any host, now and after a restart', async () => {
  await writeProject(project, files('second', '{ echo: ECHO }'))
  await isSaid('live as r-1')
  const check = async () => {
    const { site } = cloud.addresses
    for (const host of ['127.0.0.1', 'coffee.example', 'first.localhost']) {
      expect(String((await ask(site, '/', { headers: { host } })).body), host).toBe('second')
    }
    const { stderr } = await moka(['releases', '--project', 'first'], { cwd: project })
    expect(stderr).toContain('it has second;')
  }
  await check()
  await cloud.stop()
  cloud = await startDev(project)
  await check()
})
