import { createHmac } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { commit, createRepository, git, remoteOf } from '../support/git.ts'
import {
  moka,
  remove,
  startUp,
  type TestCloud,
  temporaryFolder,
  until,
  writeProject,
} from '../support/moka.ts'

interface Received {
  signature: string | undefined
  body: string
  at: string | undefined
}

let project: string
let home: string
let cloud: TestCloud
let receiver: Server
let address: string
let received: Received[]
let isSilent: boolean
let givenUp: number
beforeEach(async () => {
  project = await temporaryFolder('notify')
  home = await temporaryFolder('notify-home')
  received = []
  isSilent = false
  givenUp = 0
  receiver = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const signature = request.headers['x-mokapot-signature'] as string | undefined
    received.push({ signature, body, at: request.url })
    response.on('close', () => {
      if (!response.writableEnded) givenUp++
    })
    if (!isSilent) response.end('ok')
  })
  await new Promise<void>(resolve => receiver.listen(0, '127.0.0.1', resolve))
  address = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`
  cloud = await startUp(home)
})
afterEach(async () => {
  await cloud?.stop()
  receiver.closeAllConnections()
  receiver.close()
  await remove(project)
  await remove(home)
})

const run = (args: readonly string[], input = '') =>
  moka(args, { cwd: project, env: { MOKA_HOME: home }, input })
const told = () => received.map(({ body }) => JSON.parse(body) as Record<string, unknown>)
const configure = (fields: string) =>
  writeProject(project, {
    'moka.config.ts': `export default { name: 'site', domain: 'site.example', ${fields} }\n`,
  })

it('tells of deploys and rollbacks, to an address and to one that is a secret, signed', async () => {
  await configure(`notify: ['${address}', { secret: 'CHAT' }]`)
  await writeProject(project, { 'dist/index.html': 'one' })
  await configure(`notify: ['${address}', { secret: 'CHAT' }]`)
  const refused = await run(['deploy'])
  expect(refused.stderr).toContain('field "notify" needs secret "CHAT", which is not set')
  await run(['secrets', 'set', 'CHAT'], 'not an address')
  expect((await run(['deploy'])).stderr).toContain('needs an address in secret "CHAT"')
  await until(() => received.length === 2)
  expect(told()[0]).toMatchObject({ status: 'failed', release: null })
  received = []

  await run(['secrets', 'set', 'CHAT'], `${address}/chat\n`)
  expect(await run(['deploy'])).toMatchObject({ code: 0 })
  await until(() => received.length === 2)
  expect(received.map(({ at }) => at).sort()).toEqual(['/hook', '/hook/chat'])
  const [first] = told()
  expect(first).toMatchObject({
    ...{ action: 'deploy', status: 'live', project: 'site', release: 'r-1', error: null },
    url: expect.stringContaining('site.example'),
    summary: expect.stringMatching(/^files: 1 added\n(?:.*\n)*\+ notifications: 0 → 2 addresses/),
  })
  const key = (await run(['notify', 'key'])).stdout.trim()
  const [{ signature, body }] = received as [Received, Received]
  expect(signature).toBe(`sha256=${createHmac('sha256', key).update(body).digest('hex')}`)

  received = []
  await writeFile(join(project, 'dist/index.html'), 'two')
  await run(['deploy'])
  await until(() => received.length === 2)
  expect(told()[0]).toMatchObject({ release: 'r-2', summary: 'files: 1 changed' })
  received = []
  await run(['rollback'])
  await until(() => received.length === 2)
  expect(told()[0]).toMatchObject({ action: 'rollback', status: 'live', release: 'r-1' })
  received = []
  expect((await run(['rollback', 'r-77'])).code).toBe(1)
  await until(() => received.length === 2)
  expect(told()[0]).toMatchObject({ action: 'rollback', status: 'failed', release: 'r-1' })

  received = []
  const tested = await run(['notify', 'test'])
  expect(tested).toMatchObject({ code: 0, stdout: expect.stringMatching(/: arrived$/m) })
  expect(received).toHaveLength(2)
})

it('tells once of a push whose build fails, or whose release is refused', async () => {
  const token = (await readFile(join(home, 'token'), 'utf8')).trim()
  await createRepository(project, remoteOf(cloud.addresses.control, token, 'site'))
  const config = (more: string) =>
    `export default { name: 'site', notify: '${address}', site: { build: 'sh build.sh', directory: 'out' }, ${more} }\n`
  const push = async (files: Record<string, string>) => {
    received = []
    const head = await commit(project, files)
    const { code } = await git(project, 'push', 'home', 'main')
    return { head, code }
  }
  const build = 'mkdir -p out && date > out/index.html\n'
  const good = await push({ 'moka.config.ts': config(''), 'build.sh': build })
  expect(good.code).toBe(0)
  await until(() => received.length === 1)
  expect(told()[0]).toMatchObject({ status: 'live', commit: good.head, branch: 'main' })

  const broken = await push({ 'build.sh': 'echo no beans; exit 3\n' })
  expect(broken.code).not.toBe(0)
  await until(() => received.length === 1)
  expect(told()[0]).toMatchObject({ status: 'failed', commit: broken.head, release: 'r-1' })
  expect(told()[0]?.text).toMatch(/^site: deploy failed \(main at .{7}\); r-1 stays live\n/)
  expect(told()[0]?.error).toMatch(/^no beans\n(?:.*\n)*cannot build the site .* exit code 3$/m)

  const refused = await push({
    'build.sh': build,
    'f.cjs': 'exports.handler = async () => 1\n',
    'moka.config.ts': config(`functions: { f: { entry: 'f.cjs', secrets: ['NONE'] } }`),
  })
  expect(refused.code).not.toBe(0)
  await until(() => received.length > 0)
  await cloud.stop() // whatever else would be told is told by then
  expect(told()).toHaveLength(1)
  expect(told()[0]).toMatchObject({ status: 'failed', error: expect.stringContaining('"NONE"') })
})

it('holds up no deploy where nobody answers, and not the end of the cloud', async () => {
  isSilent = true
  await writeProject(project, { 'dist/index.html': 'one' })
  await configure(`notify: '${address}'`)
  expect((await run(['deploy', '--json'])).code).toBe(0)
  expect(givenUp).toBe(0) // the first attempt alone waits for 5 s
  await until(() => received.length === 1)
  expect(await cloud.stop()).toBe(0)
})
