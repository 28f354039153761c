import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { freePort } from '../../src/shared/free-port.ts'
import { type FaultyProxy, openFaultyProxy } from '../support/faulty-proxy.ts'
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

// `moka deploy` over a network that fails; src/control/upload has the cases one by one.

const FILES = 30
const FILE_BYTES = 1_000_000

let project: string
let home: string
let cloud: TestCloud
let proxy: FaultyProxy | undefined
let files: Map<string, Buffer>
beforeEach(async () => {
  project = await temporaryFolder('upload')
  home = await temporaryFolder('upload-home')
  files = new Map(
    Array.from({ length: FILES }, (_, index) => [`dist/${index}.bin`, randomBytes(FILE_BYTES)]),
  )
  await writeProject(project, Object.fromEntries(files))
})
afterEach(async () => {
  await proxy?.close()
  await cloud?.stop()
  await remove(project)
  await remove(home)
})

/** A deploy through the proxy. */
async function deploy(url: string) {
  const MOKA_TOKEN = (await readFile(join(home, 'token'), 'utf8')).trim()
  return moka(['deploy', '--json'], { cwd: project, env: { MOKA_CLOUD: url, MOKA_TOKEN } })
}

async function expectAllServed() {
  const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
  for (const [path, content] of files) {
    const { body } = await ask(cloud.addresses.site, path.slice(4), { host: 'site.example' })
    expect(hashOf(body), path).toBe(hashOf(content))
  }
}

it('goes on where it was when the connection breaks again and again', async () => {
  cloud = await startUp(home)
  proxy = await openFaultyProxy(cloud.addresses.control, connection =>
    connection < 8 ? { kind: 'cut', afterBytes: 3_500_000 } : undefined,
  )
  const { code, stderr } = await deploy(proxy.url)
  expect(stderr).toBe('')
  expect(code).toBe(0)
  expect(proxy.passed()).toBeLessThan(2 * FILES * FILE_BYTES)
  await expectAllServed()
})

it('takes a file that is larger than what any connection carries', async () => {
  files = new Map([['dist/large.bin', randomBytes(20_000_000)]])
  await writeProject(project, Object.fromEntries(files))
  cloud = await startUp(home)
  proxy = await openFaultyProxy(cloud.addresses.control, connection =>
    connection < 20 ? { kind: 'cut', afterBytes: 9_000_000 } : undefined,
  )
  expect(await deploy(proxy.url)).toMatchObject({ code: 0, stderr: '' })
  expect(proxy.connections()).toBeLessThan(20)
  await expectAllServed()
})

it('goes on with a cloud that was killed meanwhile and is back', async () => {
  const port = String(await freePort())
  cloud = await startUp(home, ['--control-port', port])
  proxy = await openFaultyProxy(cloud.addresses.control, connection =>
    connection < 4 ? { kind: 'stall', afterBytes: 4_500_000 } : undefined,
  )
  const deployed = deploy(proxy.url)
  await until(() => proxy!.passed() > 10_000_000, 30_000)
  await cloud.kill()
  cloud = await startUp(home, ['--control-port', port])
  const { code, stderr } = await deployed
  expect(stderr).toBe('')
  expect(code).toBe(0)
  await expectAllServed()
})
