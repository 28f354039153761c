import { existsSync } from 'node:fs'
import { readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ReleaseManifest } from '../../src/releases/manifest.ts'
import { controlOf } from '../support/deploying.ts'
import { ask } from '../support/http.ts'
import {
  moka,
  remove,
  startUp,
  type TestCloud,
  temporaryFolder,
  until,
  writeProject,
} from '../support/moka.ts'

// What the disk loses of a live release comes back with the next deploy, without a new release.

/** A page each, since a worker that has read one keeps it in memory. */
const PAGES = ['lost', 'cut', 'changed'].flatMap(how => [`${how}-identity`, `${how}-br`])
let root: string
let home: string
let cloud: TestCloud

beforeAll(async () => {
  root = await temporaryFolder('healing')
  home = await temporaryFolder('home')
  await writeProject(root, {
    ...Object.fromEntries(
      [...PAGES, 'restart'].map(name => [`dist/${name}.html`, `<p>${name}</p>`.repeat(100)]),
    ),
    'moka.config.ts': `export default { name: 'site', functions: { api: { entry: 'api.mjs' } } }\n`,
    'api.mjs': `export const handler = async () => ({ statusCode: 200, body: 'called' })\n`,
  })
  cloud = await startUp(home)
  await deploy()
})

afterAll(async () => {
  await cloud?.stop()
  await remove(root)
  await remove(home)
})

async function deploy(): Promise<string> {
  const { code, stdout, stderr } = await moka(['deploy'], { cwd: root, env: { MOKA_HOME: home } })
  expect(code, stderr).toBe(0)
  return stdout
}

async function live(): Promise<{ id: string; manifest: ReleaseManifest }> {
  const client = await controlOf(home)
  const found = await client.live('site')
  client.close()
  return found!
}

const blob = (sha256: string) => join(home, 'bucket/blobs', sha256)

const answer = (path: string, coding = 'identity') =>
  ask(cloud.addresses.site, path, { headers: { 'accept-encoding': coding } })

const cutOff = (path: string) => truncate(path, 10)

async function overwrite(path: string): Promise<void> {
  const bytes = await readFile(path)
  await writeFile(path, bytes.fill('x', 0, 10))
}

async function expectHealed(page: string, coding: 'identity' | 'br', whole: Buffer): Promise<void> {
  const { id } = await live()
  const deployed = await deploy()
  expect(deployed).toContain(`nothing differs from ${id} of site, which stays live on `)
  expect(deployed).toContain('; 1 object was missing and was sent again\n')
  const healed = await answer(`/${page}`, coding)
  expect(healed.status).toBe(200)
  expect(healed.body).toEqual(whole)
  expect((await live()).id).toBe(id)
}

async function pageBlob(page: string, coding: 'identity' | 'br'): Promise<string> {
  const file = (await live()).manifest.files[`/${page}.html`]!
  return blob(coding === 'br' ? file.encoded!.br!.sha256 : file.sha256)
}

test.each([
  ['lost', 'identity', rm],
  ['cut', 'identity', cutOff],
  ['changed', 'identity', overwrite],
  ['lost', 'br', rm],
  ['cut', 'br', cutOff],
  ['changed', 'br', overwrite],
] as const)(
  'an object that was %s (%s) is sent again, and nothing else',
  async (how, coding, damage) => {
    const page = `${how}-${coding}`
    const path = await pageBlob(page, coding)
    const whole = await readFile(path)
    await damage(path)
    expect((await answer(`/${page}`, coding)).status).toBe(500)
    // Whoever asks what is missing sees sizes: that the bytes are others, whoever reads them.
    if (damage === overwrite)
      await until(() => existsSync(`${path}.damaged`), 30_000, 'setting aside')
    await expectHealed(page, coding, whole)
  },
)

test('after a restart as well', async () => {
  const path = await pageBlob('restart', 'identity')
  const whole = await readFile(path)
  await rm(path)
  await cloud.stop()
  cloud = await startUp(home)
  await expectHealed('restart', 'identity', whole)
  expect(await deploy()).not.toContain('missing')
})

test("a function's code that was overwritten is sent again", async () => {
  const path = blob((await live()).manifest.functions.api!.codeSha256)
  await overwrite(path)
  expect((await answer('/api/api')).status).toBe(502)
  await until(() => existsSync(`${path}.damaged`), 30_000, 'setting aside')
  expect(await deploy()).toContain('1 object was missing and was sent again')
  expect((await answer('/api/api')).body.toString()).toBe('called')
})
