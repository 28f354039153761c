import { readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { commit, createRepository, git, remoteOf, startGit } from '../../test/support/git.ts'
import { remove, temporaryFolder, until } from '../../test/support/moka.ts'
import { systemClock } from '../shared/clock.ts'
import { MokaError } from '../shared/errors.ts'
import { createLogger } from '../shared/logger.ts'
import type { DeployRequest } from './deploy-push.ts'
import { openPipeline, type Pipeline } from './pipeline.ts'

// Pushes of git itself; what makes them live only takes notes.

interface Deployed extends Pick<DeployRequest, 'project' | 'branch' | 'commit' | 'isPreview'> {
  files: string[]
}

let root: string
let pipeline: Pipeline
let server: Server
let url: string
let logged = ''
let deployed: Deployed[] = []
let deploying: (request: DeployRequest) => Promise<void> = async () => {}
let count = 0

beforeAll(async () => {
  root = await temporaryFolder('pipeline')
  const logger = createLogger(line => {
    logged += line
  }, 'error')
  pipeline = await openPipeline({
    ...{ repositories: join(root, 'repositories'), workspaces: join(root, 'workspaces') },
    ...{ hooks: join(root, 'hooks'), hookSocket: join(root, 'hooks.sock') },
    deployer: {
      async deploy(asked) {
        const { project, branch, commit, isPreview } = asked
        const files = (await readdir(asked.directory)).filter(name => name !== '.git').sort()
        deployed.push({ project, branch, commit, isPreview, files })
        await deploying(asked)
      },
      expect() {},
      async removePreview() {},
      addressOf: () => undefined,
      close() {},
    },
    isToken: given => given === 'token',
    stallMs: 8000, // git itself pauses for a while on a loaded machine
    ...{ clock: systemClock, logger },
  })
  server = createServer((asked, response) => pipeline.handleGit(asked, response))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
beforeEach(() => {
  deployed = []
  deploying = async () => {}
  logged = ''
})
afterAll(async () => {
  await pipeline?.close()
  server?.closeAllConnections()
  server?.close()
  await remove(root)
})

async function createProject(): Promise<string> {
  const name = `site-${++count}`
  const folder = join(root, name)
  await createRepository(folder, remoteOf(url, 'token', name))
  await writeFile(join(folder, 'moka.config.ts'), 'export default {}\n')
  return folder
}

/** Sends a body as git does; resolves with the status and the text. */
function post(path: string, body: Buffer, declaredBytes = body.length): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: 'Bearer token',
      'content-type': 'application/x-git-receive-pack-request',
      'content-length': declaredBytes,
    }
    const sent = request(new URL(path, url), { method: 'POST', headers, agent: false })
    sent.on('error', reject).on('response', response => {
      let text = ''
      response.on('data', chunk => {
        text += chunk
      })
      response.on('close', () => resolve(`${response.statusCode} ${text}`))
    })
    sent.write(body)
    if (declaredBytes === body.length) sent.end()
  })
}

it('deploys a history that was written anew, when it is pushed by force', async () => {
  const folder = await createProject()
  await commit(folder, { a: '1' })
  await git(folder, 'push', 'home', 'main')
  await git(folder, 'commit', '--amend', '-q', '-m', 'other')
  expect((await git(folder, 'push', 'home', 'main')).code).toBe(1)
  expect(await git(folder, 'push', '--force', 'home', 'main')).toMatchObject({ code: 0 })
  expect(deployed.map(({ branch }) => branch)).toEqual(['main', 'main'])
  expect(deployed[0]?.commit).not.toBe(deployed[1]?.commit)
})

it('takes a push from a shallow clone', async () => {
  const folder = await createProject()
  for (const content of ['1', '2', '3']) await commit(folder, { a: content })
  await git(folder, 'push', 'home', 'main')
  const remote = (await git(folder, 'remote', 'get-url', 'home')).output.trim()
  const shallow = join(root, 'shallow')
  await git(root, 'clone', '-q', '--depth=1', remote, shallow)
  const head = await commit(shallow, { b: '4' })
  expect(await git(shallow, 'push', 'origin', 'main')).toMatchObject({ code: 0 })
  expect(deployed.at(-1)).toMatchObject({ commit: head, files: ['a', 'b', 'moka.config.ts'] })
})

it('deploys main and keeps the rest of a push of everything', async () => {
  const folder = await createProject()
  await commit(folder, { a: '1' })
  for (const branch of ['one', 'two/three']) await git(folder, 'branch', branch)
  await git(folder, 'tag', 'v1')
  const { code, output } = await git(folder, 'push', 'home', '--all', '--follow-tags')
  expect(code, output).toBe(0)
  expect(deployed.map(({ branch, isPreview }) => [branch, isPreview])).toEqual([['main', false]])
  expect((await git(folder, 'ls-remote', 'home')).output).toContain('refs/heads/two/three')
})

it('lets nothing of a push in when main cannot be deployed', async () => {
  const folder = await createProject()
  await commit(folder, { a: '1' })
  await git(folder, 'branch', 'other')
  deploying = () =>
    Promise.reject(new MokaError('X', 'cannot deploy: out of beans', { hint: 'buy some' }))
  const { code, output } = await git(folder, 'push', 'home', '--all')
  expect(code).toBe(1)
  expect(output).toMatch(/remote: cannot deploy: out of beans\s+remote: try: buy some/)
  expect((await git(folder, 'ls-remote', 'home')).output).toBe('')
})

it('refuses what it has no words for, and says so in the log', async () => {
  const folder = await createProject()
  await commit(folder, { a: '1' })
  deploying = () => Promise.reject(new TypeError('beans is not a function'))
  expect((await git(folder, 'push', 'home', 'main')).code).toBe(1)
  expect(logged).toContain('beans is not a function')
})

it('warns of what a checkout here has in another form', async () => {
  const folder = await createProject()
  await commit(folder, { '.gitmodules': '', '.gitattributes': '*.psd filter=lfs diff=lfs' })
  const { output } = await git(folder, 'push', 'home', 'main')
  expect(output).toContain('warning: submodules are not fetched')
  expect(output).toContain('warning: files of Git LFS are not fetched')
})

it('puts a workspace back to what the commit has, links and odd names included', async () => {
  const folder = await createProject()
  await commit(folder, { 'ümläut a%20+b': '1', 'dir/file': '1', 'gone/deep/file': '1' })
  await git(folder, 'push', 'home', 'main')
  const workspace = join(root, 'workspaces', `site-${count}`)
  await writeFile(join(workspace, 'dir/file'), 'changed by a build')
  await writeFile(join(workspace, 'left-over'), '')
  await git(folder, 'rm', '-q', '-r', 'gone', 'dir')
  await commit(folder, { dir: 'a file now' })
  await git(folder, 'push', 'home', 'main')
  expect(deployed.at(-1)?.files).toEqual(['dir', 'moka.config.ts', 'ümläut a%20+b'])
  expect(await readFile(join(workspace, 'dir'), 'utf8')).toBe('a file now')
})

it('ends a push whose client sends nothing more, so that the next one has its turn', async () => {
  const folder = await createProject()
  await commit(folder, { a: '1' })
  const line = `${'0'.repeat(40)} ${'a'.repeat(40)} refs/heads/main\0 report-status`
  const length = (line.length + 4).toString(16).padStart(4, '0')
  const body = Buffer.from(`${length}${line}0000PACK`)
  const stalled = post(`/git/site-${count}.git/git-receive-pack`, body, 1_000_000)
  const push = startGit(folder, 'push', 'home', 'main')
  expect(await stalled).toMatch(/^200/)
  expect(await push.ended).toMatchObject({ code: 0 })
})

it.each([
  ['nothing', ''],
  ['text', 'hello, I am no git'],
  ['half a list', '00a1'],
  ['a path for a ref', `004c${'0'.repeat(40)} ${'a'.repeat(40)} ../../../x`],
  ['a compressed body that is none', '\u001f\u008b'],
])('answers %s with a refusal, and goes on', async (_, body) => {
  const answer = await post('/git/odd.git/git-receive-pack', Buffer.from(body, 'latin1'))
  expect(answer).toMatch(/^400 cannot take a push: /)
  expect(logged).toBe('')
})

it('ends what is under way when it closes, and lets nothing of it in', async () => {
  const folder = await createProject()
  await commit(folder, { a: '1' })
  let hasBegun = false
  deploying = ({ signal }) => {
    hasBegun = true
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  }
  const push = startGit(folder, 'push', 'home', 'main')
  await until(() => hasBegun, 30_000, 'the deploy')
  await pipeline.close()
  expect((await push.ended).code).not.toBe(0)
  const repository = join(root, 'repositories', `site-${count}.git`)
  expect((await git(repository, 'for-each-ref')).output).toBe('')
})
