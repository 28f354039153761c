import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { closeOwnCloud, type OwnCloud, openOwnCloud } from '../support/deploying.ts'
import { ask } from '../support/http.ts'
import { moka, writeProject } from '../support/moka.ts'

const run = promisify(execFile)

// The steps that are printed are typed: by the shell, with curl.

let own: OwnCloud
let folder: string
beforeAll(async () => {
  own = await openOwnCloud('steps')
  folder = join(own.root, 'it’s a site')
})
afterAll(() => closeOwnCloud(own))

async function stepsOf(): Promise<string> {
  const { code, stdout, stderr } = await moka(['deploy', '--steps'], {
    cwd: folder,
    env: { MOKA_HOME: own.home },
  })
  expect(code, stderr).toBe(0)
  return stdout
}

async function type(script: string) {
  const token = (await readFile(join(own.home, 'token'), 'utf8')).trim()
  return run('/bin/sh', ['-c', script], { env: { PATH: process.env.PATH, MOKA_TOKEN: token } })
}

test('typed one after the other, they deploy the project', async () => {
  await writeProject(folder, {
    'moka.config.ts': `export default {
  name: 'hand', site: { build: 'mkdir -p dist && cp page.html dist/index.html' },
  functions: { hello: { entry: 'hello.mjs', rateLimit: '60/minute' } },
}
`,
    'page.html': `made by hand ${'again '.repeat(100)}`,
    'dist/it’s $HOME.txt': 'an odd name',
    'hello.mjs': `export const handler = async () => 'hello'\n`,
  })
  const first = await stepsOf()
  expect(first).toContain('cp page.html dist/index.html')
  expect(first.match(/--upload-file/g)?.length).toBe(5) // two files, br and gzip of one, a function
  await expect(
    ask(own.cloud.addresses.site, '/', { host: 'hand.localhost' }),
  ).resolves.toMatchObject({ status: 503 })
  const { stdout } = await type(first)
  expect(stdout).toContain('"release": "r-1"')
  const get = async (path: string) =>
    (await ask(own.cloud.addresses.site, path, { host: 'hand.localhost' })).body.toString()
  expect(await get('/')).toContain('made by hand')
  expect(await get(`/${encodeURIComponent('it’s $HOME.txt')}`)).toBe('an odd name')
  expect(await get('/api/hello')).toBe('hello')
})

test('of many uploads a list is read, and only of what the cloud lacks', async () => {
  const pages = Array.from({ length: 30 }, (_, index) => [
    `dist/${index} page.html`,
    `page ${index}`,
  ])
  await writeProject(folder, {
    'moka.config.ts': `export default { name: 'hand' }\n`,
    ...Object.fromEntries(pages),
  })
  const script = await stepsOf()
  expect(script).toContain('# send what it lacks: 30')
  await type(script)
  expect((await own.client.live('hand'))?.id).toBe('r-2')
  expect(await stepsOf()).toContain('# send what it lacks: 0')
})
