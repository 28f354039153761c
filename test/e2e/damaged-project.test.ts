import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { controlOf, deployFrom } from '../support/deploying.ts'
import { ask } from '../support/http.ts'
import {
  moka,
  remove,
  startDev,
  startUp,
  type TestCloud,
  temporaryFolder,
  writeProject,
} from '../support/moka.ts'

// A cloud of several projects, of which the disk has damaged one.

let root: string
let home: string
let cloud: TestCloud

beforeAll(async () => {
  root = await temporaryFolder('damaged')
  home = await temporaryFolder('home')
  cloud = await startUp(home)
})

afterAll(async () => {
  await cloud?.stop()
  await remove(root)
  await remove(home)
})

async function deployPage(name: string, text: string): Promise<void> {
  await writeProject(join(root, name), {
    'moka.config.ts': `export default { name: '${name}', domain: '${name}.example' }\n`,
    'dist/index.html': text,
    'dist/assets/app.0123abcd.js': text,
  })
  const client = await controlOf(home)
  await deployFrom(join(root, name), client)
  client.close()
}

async function page(name: string): Promise<string> {
  const answer = await ask(cloud.addresses.site, '/', { host: `${name}.example` })
  return answer.status === 200 ? answer.body.toString() : String(answer.status)
}

interface Pointer {
  manifestSha256: string
  retained: { manifestSha256: string }[]
}

const pointerPath = (name: string) => join(home, 'projects', name, 'live.json')
const readPointer = async (name: string): Promise<Pointer> =>
  JSON.parse(await readFile(pointerPath(name), 'utf8'))
const blob = (sha256: string) => join(home, 'bucket/blobs', sha256)

test.each([
  ['pointer', () => writeFile(pointerPath('one'), '{')],
  ['manifest', async () => rm(blob((await readPointer('one')).manifestSha256))],
])(
  'a damaged %s takes no other project with it, and the next deploy heals it',
  async (_, damage) => {
    await deployPage('one', 'first one')
    await deployPage('two', 'first two')
    await damage()
    await cloud.stop()
    cloud = await startUp(home)
    expect(cloud.errors()).toContain('cannot take up project "one"')
    expect(await page('two')).toBe('first two')
    expect(await page('one')).not.toContain('one')
    const { code, stderr } = await moka(['releases', '--project', 'one'], {
      cwd: root,
      env: { MOKA_HOME: home },
    })
    expect([code, stderr]).toEqual([1, expect.stringContaining('cannot take up project "one"')])
    await deployPage('two', 'second two')
    expect(await page('two')).toBe('second two')
    await deployPage('one', 'second one')
    expect(await page('one')).toBe('second one')
  },
  30_000,
)

test('a lost manifest of an earlier release keeps nobody from starting', async () => {
  await deployPage('one', 'third one')
  const [retained] = (await readPointer('one')).retained
  await rm(blob(retained!.manifestSha256))
  await cloud.stop()
  cloud = await startUp(home)
  expect(await page('one')).toBe('third one')
  await deployPage('one', 'fourth one')
  expect(await page('one')).toBe('fourth one')
})

test('moka dev does not start with its only project damaged, and says where', async () => {
  const folder = join(root, 'alone')
  await writeProject(folder, { 'dist/index.html': 'alone' })
  const dev = await startDev(folder)
  await dev.stop()
  const path = join(folder, '.moka/projects/site/live.json')
  await writeFile(path, '{')
  const error = String(await startDev(folder).catch(caught => caught))
  expect(error).toContain('RELEASES_DAMAGED')
  expect(error).toContain(path)
})
