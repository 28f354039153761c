import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { closeOwnCloud, controlOf, type OwnCloud, openOwnCloud } from '../support/deploying.ts'
import { deliver, type Forge, openForge } from '../support/forges.ts'
import { commit, createRepository, git } from '../support/git.ts'
import { ask, exchange, portOf } from '../support/http.ts'
import { moka, startUp, until } from '../support/moka.ts'

// Deliveries of forges to the site's address, through the edge; the repository is fetched from a
// server of git's own.

const TOKEN = 'forge-token'

let own: OwnCloud | undefined
let forge: Forge
let folder: string
let path: string
let secret: string

beforeAll(async () => {
  own = await openOwnCloud('webhooks')
  const { root } = own
  await chmod(root, 0o777) // builds of a cloud that is root write there as another user
  folder = join(root, 'site')
  const bare = join(root, 'forge/lena/site.git')
  await git(root, 'init', '-q', '--bare', '--initial-branch=main', bare)
  forge = await openForge(join(root, 'forge'), TOKEN)
  await createRepository(folder, bare)
  await writeFile(
    join(folder, 'moka.config.ts'),
    `export default { name: 'site', domain: 'site.example', test: 'sh ./test.sh', site: { directory: 'dist' } }\n`,
  )
  await push('before')
})
afterAll(async () => {
  await forge?.close()
  await closeOwnCloud(own)
})

const hooks = async (...args: string[]) => {
  const env = { MOKA_HOME: own!.home }
  const run = await moka(['hooks', '--json', ...args], { cwd: folder, env, input: `${TOKEN}\n` })
  expect(run, run.stderr).toMatchObject({ code: 0 })
  return JSON.parse(run.stdout)
}
const page = async () =>
  (await ask(own!.cloud.addresses.site, '/', { host: 'site.example' })).body.toString()
/** Commits to the forge. */
const push = async (content: string, test = 'true') => {
  const head = await commit(folder, { 'dist/index.html': content, 'test.sh': `${test}\n` })
  const pushed = await git(folder, 'push', 'home', 'HEAD:main')
  expect(pushed, pushed.output).toMatchObject({ code: 0 })
  return head
}
const send = (
  kind: 'github' | 'gitea' | 'gitlab',
  options: Partial<Parameters<typeof deliver>[3]>,
) => deliver(kind, own!.cloud.addresses.site, path, { secret, ...options })
const statesOf = (head: string) =>
  forge.statuses.filter(({ sha }) => sha === head).map(({ api, state }) => `${api} ${state}`)

describe('moka hooks', () => {
  it('prints an address on the site and a secret of this project, which stay', async () => {
    const known = await hooks()
    ;({ path, secret } = known)
    expect(known.address).toBe(`${own!.cloud.addresses.site}${path}`)
    expect(path).toBe('/.well-known/mokapot/hooks/site')
    expect(secret).toMatch(/^[0-9a-f]{64}$/)
    expect((await hooks()).secret).toBe(secret)
    expect((await stat(join(own!.home, 'hooks/site.json'))).mode & 0o777).toBe(0o600)
  })

  it('says so when the repository is not known yet', async () => {
    const head = await push('nobody fetches it')
    expect(await send('github', { commit: head })).toMatchObject({
      status: 409,
      text: expect.stringContaining('moka hooks --repository'),
    })
  })

  it('takes the repository and a token, which it does not print', async () => {
    const known = await hooks('--repository', forge.repository, '--token-file', '-')
    expect(known).toMatchObject({ repository: forge.repository, hasToken: true })
    expect(JSON.stringify(known)).not.toContain(TOKEN)
  })

  it('refuses a repository that is not at an address of HTTP', async () => {
    const env = { MOKA_HOME: own!.home }
    for (const address of [
      'git@github.com:lena/site.git',
      '/etc',
      'ext::sh -c true',
      '--upload-pack=x',
    ]) {
      const run = await moka(['hooks', `--repository=${address}`], { cwd: folder, env })
      expect(run.code).toBe(1)
      expect(run.stderr).toContain('cannot fetch from')
    }
  })
})

describe.each(['github', 'gitea', 'gitlab'] as const)('a delivery of %s', kind => {
  it('is deployed, and its commit gets the status', async () => {
    const head = await push(`by ${kind}`)
    const { status } = await send(kind, { commit: head })
    expect(status).toBe(202)
    await until(async () => (await page()) === `by ${kind}`, 30_000, 'the page')
    const done = kind === 'gitlab' ? 'running' : 'pending'
    await until(() => statesOf(head).length === 2, 30_000, 'two statuses')
    expect(statesOf(head)).toEqual([`${kind} ${done}`, `${kind} success`])
    expect(forge.statuses.at(-1)?.url).toBe('http://site.example')
    expect((await hooks()).last).toMatchObject({ commit: head, isLive: true })
  })

  it('whose tests fail changes nothing, and its commit says why', async () => {
    const before = await page()
    const head = await push(`bad by ${kind}`, 'echo too bitter; exit 1')
    await send(kind, { commit: head })
    await until(() => statesOf(head).length === 2, 30_000, 'two statuses')
    expect(statesOf(head)[1]).toBe(`${kind} ${kind === 'gitlab' ? 'failed' : 'failure'}`)
    expect(await page()).toBe(before)
    const { last } = await hooks()
    expect(last).toMatchObject({ commit: head, isLive: false })
    expect(last.log).toContain('too bitter')
  })

  it('that is not signed with the secret is refused', async () => {
    const head = await push(`forged by ${kind}`)
    const forged = await send(kind, { commit: head, secret: 'x'.repeat(64) })
    expect(forged).toMatchObject({ status: 403 })
    expect(statesOf(head)).toEqual([])
    expect(await page()).not.toContain('forged')
  })

  it('that comes again is not deployed again', async () => {
    const head = await push(`once by ${kind}`)
    const id = `delivery-${kind}`
    await Promise.all([send(kind, { commit: head, id }), send(kind, { commit: head, id })])
    await until(() => statesOf(head).some(state => state.endsWith('success')), 30_000, 'success')
    const again = await send(kind, { commit: head, id })
    expect(again).toEqual({ status: 200, text: 'this delivery was deployed already' })
    expect(statesOf(head)).toHaveLength(2)
  })
})

describe('a delivery', () => {
  it.each([
    ['ping', { event: 'ping' }, 'pushes will be deployed'],
    ['an issue', { event: 'issues' }, 'events of kind "issues" deploy nothing'],
    ['a tag', { ref: 'refs/tags/v1', commit: '1'.repeat(40) }, 'refs/tags/v1 deploy nothing'],
    ['a deleted branch', {}, 'the branch was deleted'],
  ])('of %s is answered, and deploys nothing', async (_, options, text) => {
    expect(await send('github', options)).toEqual({
      status: 200,
      text: expect.stringContaining(text),
    })
  })

  it('of another branch makes its preview, where its status leads', async () => {
    const head = await commit(folder, { 'dist/index.html': 'beans', 'test.sh': 'exit 1' })
    await git(folder, 'push', 'home', 'HEAD:beans')
    const { status } = await send('gitea', { commit: head, ref: 'refs/heads/beans' })
    expect(status).toBe(202)
    await until(() => statesOf(head).length === 2, 30_000, 'two statuses')
    expect(statesOf(head)[1]).toBe('gitea success')
    const url = new URL(forge.statuses.at(-1)!.url!)
    expect(url.hostname).toBe('beans.preview.site.example')
    const shown = await ask(own!.cloud.addresses.site, '/', { host: url.host })
    expect(shown.body.toString()).toBe('beans')
    expect(await page()).not.toBe('beans')
  })

  it('of a branch "main" beside the default branch "master" makes no more than a preview', async () => {
    const before = await page()
    const head = await push('not the default branch')
    const options = { commit: head, defaultBranch: 'master' }
    expect(await send('github', options)).toMatchObject({ status: 202 })
    await until(() => statesOf(head).length === 2, 30_000, 'two statuses')
    expect(statesOf(head)[1]).toBe('github success')
    expect(new URL(forge.statuses.at(-1)!.url!).hostname).toBe('main.preview.site.example')
    expect(await page()).toBe(before)
  })

  it('may be a form, as GitHub sends it where the user says so', async () => {
    const head = await push('in a form')
    expect(await send('github', { commit: head, isForm: true })).toMatchObject({ status: 202 })
    await until(async () => (await page()) === 'in a form', 30_000, 'the page')
  })

  it('for a project without webhooks is answered like one with a wrong signature', async () => {
    const site = own!.cloud.addresses.site
    const there = await deliver('github', site, path, { secret: 'wrong' })
    const other = await deliver('github', site, `${path}-other`, { secret: 'wrong' })
    expect(other).toEqual(there)
    expect(other.status).toBe(403)
    const odd = await deliver('github', site, `${path}/../../../x`, { secret: 'wrong' })
    expect(odd.status).not.toBe(200)
  })

  it('larger than any forge sends is refused', async () => {
    // Refused by what is announced: who has begun to send it may see a closed connection alone.
    const head = `POST ${path} HTTP/1.1\r\nHost: site.example\r\nContent-Length: ${26 * 1024 * 1024}\r\n`
    const { text } = await exchange(portOf(own!.cloud.addresses.site), `${head}\r\n`)
    expect(text).toMatch(/^HTTP\/1\.1 413 /)
  })

  it('that a killed cloud had taken is deployed by the next one', async () => {
    const gate = join(own!.root, 'gate')
    const begun = join(own!.root, 'begun')
    const test = `echo > ${begun}; while [ ! -e ${gate} ]; do sleep 0.02; done`
    const head = await push('after the end', test)
    expect(await send('github', { commit: head })).toMatchObject({ status: 202 })
    await until(async () => (await readFile(begun).catch(() => undefined)) !== undefined, 30_000)
    await own!.cloud.kill()
    own!.client.close()
    await writeFile(gate, '')
    own!.cloud = await startUp(own!.home)
    own!.client = await controlOf(own!.home)
    await until(async () => (await page()) === 'after the end', 30_000, 'the page')
  })
})
