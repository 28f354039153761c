import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { controlOf } from '../support/deploying.ts'
import { commit, createRepository, git, remoteOf, startGit } from '../support/git.ts'
import { ask } from '../support/http.ts'
import { moka, remove, startUp, type TestCloud, temporaryFolder, until } from '../support/moka.ts'
import { descendants, living, untilGone } from '../support/processes.ts'

// The home cloud as a git remote, pushed to by git itself.

let root: string
let home: string
let cloud: TestCloud
let token: string
let count = 0

beforeAll(async () => {
  root = await temporaryFolder('push')
  await chmod(root, 0o777) // builds of a cloud that is root write there as another user
  home = await temporaryFolder('home')
  cloud = await startUp(home)
  token = (await readFile(join(home, 'token'), 'utf8')).trim()
})
afterAll(async () => {
  await cloud?.stop()
  await remove(root)
  await remove(home)
})

interface TestProject {
  name: string
  folder: string
  /** What the site's first page says. */
  page(): Promise<string>
  /** What `main` is on the remote. */
  remoteMain(): Promise<string>
}

/** Its build copies `index.html`, after what the file `build.sh` does. */
async function createProject(config = ''): Promise<TestProject> {
  const name = `site-${++count}`
  const folder = join(root, name)
  await createRepository(folder, remoteOf(cloud.addresses.control, token, name))
  await writeFile(join(folder, 'build.sh'), 'true\n')
  await writeFile(
    join(folder, 'moka.config.ts'),
    `export default {
      name: '${name}', domain: '${name}.example', ${config}
      site: { build: 'sh ./build.sh && mkdir -p dist && cp index.html dist/', directory: 'dist' },
    }\n`,
  )
  return {
    name,
    folder,
    page: async () =>
      (await ask(cloud.addresses.site, '/', { host: `${name}.example` })).body.toString(),
    remoteMain: async () => (await git(folder, 'ls-remote', 'home', 'main')).output.slice(0, 40),
  }
}

describe('a push to main', () => {
  it('is live when git push ends, with the release and the build’s output in its terminal', async () => {
    const { folder, name, page, remoteMain } = await createProject()
    const head = await commit(folder, { 'index.html': 'one', 'build.sh': 'echo baking beans\n' })
    const pushed = await git(folder, 'push', 'home', 'main')
    expect(pushed.output).toContain('remote: baking beans')
    expect(pushed.output).toMatch(/remote: r-1 of site-\d+ is live on http/)
    expect(pushed.code).toBe(0)
    expect(await page()).toBe('one')
    expect(await remoteMain()).toBe(head)
    const client = await controlOf(home)
    expect((await client.live(name))?.manifest.source).toMatchObject({
      ...{ commit: head, branch: 'main', author: 'Lena', isDirty: false },
      message: 'index.html, build.sh',
    })
    client.close()
    await commit(folder, { 'index.html': 'two' })
    expect(await git(folder, 'push', 'home', 'main')).toMatchObject({ code: 0 })
    expect(await page()).toBe('two')
  })

  it('that cannot be built does not go in: what is live stays, and the log’s end says why', async () => {
    const { folder, page, remoteMain } = await createProject()
    const good = await commit(folder, { 'index.html': 'good' })
    await git(folder, 'push', 'home', 'main')
    await commit(folder, { 'index.html': 'bad', 'build.sh': 'echo the oven is cold; exit 7\n' })
    const pushed = await git(folder, 'push', 'home', 'main')
    expect(pushed.code).toBe(1)
    expect(pushed.output).toMatch(
      /remote: the oven is cold\s+remote: cannot build the site with ".+": it ended with exit code 7\s/,
    )
    expect(pushed.output).toContain('what was live stays live')
    expect(pushed.output).toContain('[remote rejected] main -> main (pre-receive hook declined)')
    expect(await page()).toBe('good')
    expect(await remoteMain()).toBe(good)
    await commit(folder, { 'build.sh': 'true\n' })
    expect(await git(folder, 'push', 'home', 'main')).toMatchObject({ code: 0 })
    expect(await page()).toBe('bad')
  })

  it('whose tests fail does not go in; tests see what was built', async () => {
    const { folder, page } = await createProject(`test: 'grep -q sweet dist/index.html',`)
    await commit(folder, { 'index.html': 'sweet coffee' })
    expect(await git(folder, 'push', 'home', 'main')).toMatchObject({ code: 0 })
    await commit(folder, { 'index.html': 'bitter coffee' })
    const pushed = await git(folder, 'push', 'home', 'main')
    expect(pushed.code).toBe(1)
    expect(pushed.output).toContain('remote: cannot pass the tests with "grep -q sweet')
    expect(await page()).toBe('sweet coffee')
  })

  it('of another project than the remote’s is refused before anything is sent', async () => {
    const { folder } = await createProject()
    await commit(folder, { 'index.html': 'x' })
    const other = remoteOf(cloud.addresses.control, token, 'someone-else')
    const pushed = await git(folder, 'push', other, 'main')
    expect(pushed.output).toMatch(
      /cannot deploy project "site-\d+": this deploy is for project "someone-else"/,
    )
    expect(pushed.code).toBe(1)
  })

  it('without a configuration is refused', async () => {
    const { folder } = await createProject()
    await commit(folder, { 'index.html': 'x', 'moka.config.ts': undefined })
    const pushed = await git(folder, 'push', 'home', 'main')
    expect(pushed.output).toContain('it has no moka.config.ts in its first folder')
    expect(pushed.code).toBe(1)
  })

  it('is built without the cloud’s token in its environment', async () => {
    const { folder } = await createProject()
    await commit(folder, { 'index.html': 'x', 'build.sh': 'env\n' })
    const { output, code } = await git(folder, 'push', 'home', 'main')
    expect(code).toBe(0)
    expect(output).toContain('remote: CI=true')
    expect(output).not.toMatch(/MOKA_|GIT_/)
  })

  it('finds the packages and caches of the push before, and nothing else of it', async () => {
    const { folder, page } = await createProject()
    const build = [
      'mkdir -p node_modules/.cache sub/.next/cache sub/.next/static',
      'ls -A node_modules/.cache sub/.next/cache sub/.next/static . > list',
      'touch node_modules/.moka-installed node_modules/.cache/kept1 sub/.next/cache/kept2',
      'touch sub/.next/static/gone1 gone2 && mv list index.html',
    ]
    await commit(folder, {
      'index.html': '',
      'build.sh': build.join(' &&\n'),
      '.gitignore': 'gone2',
    })
    await git(folder, 'push', 'home', 'main')
    expect(await page()).not.toContain('kept')
    await commit(folder, { another: 'commit' })
    expect(await git(folder, 'push', 'home', 'main')).toMatchObject({ code: 0 })
    expect(await page()).toContain('kept1')
    expect(await page()).toContain('kept2')
    expect(await page()).not.toContain('gone')
    expect(await page()).not.toContain('dist')
  })

  it('installs packages when its lock file is another than the last one’s', async () => {
    const { folder, page } = await createProject()
    const beans = (version: string) => ({
      'beans/package.json': JSON.stringify({ name: 'beans', version }),
      'beans/index.js': `module.exports = 'beans ${version}'\n`,
    })
    const files = {
      'package.json': JSON.stringify({
        name: 'site',
        version: '1.0.0',
        scripts: { build: 'node build.js' },
        dependencies: { beans: 'file:beans' },
      }),
      'build.sh': 'node build.js',
      'build.js': `require('fs').writeFileSync('index.html', require('beans'))\n`,
      '.npmrc': 'install-links=true\n', // a copy, as from a registry
      '.gitignore': 'node_modules\n',
    }
    const lock = async (version: string, more: Record<string, string> = {}) => {
      await commit(folder, { ...beans(version), ...more })
      await rm(join(folder, 'package-lock.json'), { force: true }) // it would be kept as it is
      const npm = ['install', '--offline', '--no-audit', '--no-fund', '--package-lock-only']
      await promisify(execFile)('npm', npm, { cwd: folder })
      await commit(folder, { 'lock-of': version })
      return git(folder, 'push', 'home', 'main')
    }
    const first = await lock('1.0.0', files)
    expect(first.output).toMatch(/remote: added 1 package/)
    expect(await page()).toBe('beans 1.0.0')
    await commit(folder, { another: 'commit' })
    const second = await git(folder, 'push', 'home', 'main')
    expect(second.output).not.toMatch(/package/)
    expect(second.code).toBe(0)
    const third = await lock('2.0.0')
    expect(third.output).toMatch(/remote: added 1 package/)
    expect(await page()).toBe('beans 2.0.0')
  })

  it('may be named master where there is no main', async () => {
    const { folder, page } = await createProject()
    await git(folder, 'branch', '-m', 'master')
    await commit(folder, { 'index.html': 'old habits' })
    expect(await git(folder, 'push', 'home', 'master')).toMatchObject({ code: 0 })
    expect(await page()).toBe('old habits')
  })
})

describe('the remote', () => {
  it('is added by `moka remote`, again without harm, with the token in it', async () => {
    const { folder, page } = await createProject()
    await git(folder, 'remote', 'remove', 'home')
    const env = { MOKA_HOME: home }
    for (const _ of ['first', 'again']) {
      const added = await moka(['remote'], { cwd: folder, env })
      expect(added, added.stderr).toMatchObject({ code: 0 })
      expect(added.stdout).toContain('git push home main')
      expect(added.stdout).not.toContain(token)
    }
    await commit(folder, { 'index.html': 'by moka remote' })
    expect(await git(folder, 'push', 'home', 'main')).toMatchObject({ code: 0 })
    expect(await page()).toBe('by moka remote')
    await rm(join(folder, '.git'), { recursive: true })
    const outside = await moka(['remote'], { cwd: folder, env })
    expect(outside.code).toBe(1)
    expect(outside.stderr).toContain('try: `git init` makes a repository of this folder')
  })

  it('keeps what is pushed, branches and tags, and gives it back', async () => {
    const { folder, page } = await createProject()
    await commit(folder, { 'index.html': 'main' })
    await git(folder, 'push', 'home', 'main')
    await git(folder, 'checkout', '-q', '-b', 'feature/beans')
    const head = await commit(folder, { 'index.html': 'feature' })
    await git(folder, 'tag', 'v1')
    await git(folder, 'branch', 'another')
    const pushed = await git(folder, 'push', 'home', 'feature/beans', 'another', 'v1')
    expect(pushed.code).toBe(0)
    expect(pushed.output).toContain('2 branches are kept; one that is pushed alone gets a preview')
    expect(await page()).toBe('main')
    const clone = join(root, 'clone')
    const remote = (await git(folder, 'remote', 'get-url', 'home')).output.trim()
    for (const version of ['2', '0']) {
      const cloned = await git(root, '-c', `protocol.version=${version}`, 'clone', remote, clone)
      expect(cloned).toMatchObject({ code: 0 })
      expect((await git(clone, 'rev-parse', 'origin/feature/beans', 'v1')).output).toBe(
        `${head}\n${head}\n`,
      )
      await remove(clone)
    }
  })

  it('takes a pack of megabytes in chunks, and gives it back to a client that has much already', async () => {
    const { folder, page } = await createProject()
    const beans = randomBytes(3 * 1024 * 1024)
    await commit(folder, { 'index.html': 'large', 'beans.bin': beans })
    // More than 1 MB is sent in chunks, after a try with nothing.
    expect(await git(folder, 'push', 'home', 'main')).toMatchObject({ code: 0 })
    expect(await page()).toBe('large')
    const remote = (await git(folder, 'remote', 'get-url', 'home')).output.trim()
    const clone = join(root, 'large')
    await git(root, 'clone', remote, clone)
    expect(beans.equals(await readFile(join(clone, 'beans.bin')))).toBe(true)
    // Its list of what it has is over 1024 octets, which git compresses.
    for (let number = 0; number < 40; number++) await commit(clone, { own: String(number) })
    await commit(folder, { 'index.html': 'larger' })
    await git(folder, 'push', 'home', 'main')
    expect(await git(clone, 'fetch')).toMatchObject({ code: 0 })
    const both = await git(clone, 'rev-parse', 'origin/main')
    expect(both.output).toBe((await git(folder, 'rev-parse', 'main')).output)
  })

  it('asks for the token, and speaks to nobody without it', async () => {
    const { folder, name } = await createProject()
    await commit(folder, { 'index.html': 'x' })
    const wrong = remoteOf(cloud.addresses.control, `${token}x`, name)
    const pushed = await git(folder, 'push', wrong, 'main')
    expect(pushed.code).not.toBe(0)
    expect(pushed.output).toContain('Authentication failed')
    const path = `/git/${name}.git/info/refs?service=git-receive-pack`
    const asked = await ask(cloud.addresses.control, path)
    expect(asked).toMatchObject({ status: 401 })
    expect(asked.headers['www-authenticate']).toMatch(/^Basic /)
    expect(existsSync(join(home, 'repositories', `${name}.git`))).toBe(false)
  })

  it('takes the token as the user’s name and as a bearer token', async () => {
    const { name } = await createProject()
    const path = `/git/${name}.git/info/refs?service=git-receive-pack`
    const status = async (authorization: string) =>
      (await ask(cloud.addresses.control, path, { headers: { authorization } })).status
    expect(await status(`Basic ${Buffer.from(`${token}:`).toString('base64')}`)).toBe(200)
    expect(await status(`Bearer ${token}`)).toBe(200)
    expect(await status(`Basic ${Buffer.from('x:').toString('base64')}`)).toBe(401)
  })

  it.each([
    ['GET', '/git/plain.git/info/refs', 403],
    ['GET', '/git/plain.git/HEAD', 404],
    ['GET', '/git/plain.git/objects/info/packs', 404],
    ['GET', '/git/..%2f..%2fetc.git/info/refs?service=git-upload-pack', 404],
    ['GET', '/git/Plain.git/info/refs?service=git-receive-pack', 404],
    ['GET', '/git/plain.git/info/refs?service=git-upload-pack', 404],
    ['GET', '/git/plain.git/info/refs?service=git-shell', 403],
    ['POST', '/git/plain.git/git-receive-pack', 415],
    ['GET', '/git/plain.git/git-receive-pack', 405],
  ])('refuses %s %s', async (method, path, status) => {
    const headers = { authorization: `Bearer ${token}` }
    const answer = await ask(cloud.addresses.control, path, { method, headers })
    expect(answer.status).toBe(status)
  })
})

describe('a push to another branch', () => {
  const preview = async (project: TestProject, branch: string) => {
    const host = `${branch}.preview.${project.name}.example`
    return (await ask(cloud.addresses.site, '/', { host })).body.toString()
  }

  it('gets a preview, and what is live stays; with the branch it goes', async () => {
    const project = await createProject(`test: 'exit 1',`) // which it need not pass
    const { folder, page } = project
    await git(folder, 'checkout', '-q', '-b', 'feature/beans')
    await commit(folder, { 'index.html': 'beans' })
    const pushed = await git(folder, 'push', 'home', 'feature/beans')
    expect(pushed.code).toBe(0)
    expect(pushed.output).toMatch(/remote: r-\d+ of site-\d+ is preview feature-beans on http/)
    expect(await preview(project, 'feature-beans')).toBe('beans')
    expect(await page()).not.toBe('beans')
    expect(await git(folder, 'push', 'home', ':feature/beans')).toMatchObject({ code: 0 })
    expect(await preview(project, 'feature-beans')).not.toBe('beans')
  })

  it('that cannot be built is kept without a preview', async () => {
    const { folder } = await createProject()
    await git(folder, 'checkout', '-q', '-b', 'half')
    const head = await commit(folder, { 'index.html': 'half', 'build.sh': 'exit 3' })
    const { code, output } = await git(folder, 'push', 'home', 'half')
    expect(output).toContain('cannot make a preview of half')
    expect(output).toContain('half is kept all the same')
    expect(code).toBe(0)
    expect((await git(folder, 'ls-remote', 'home', 'half')).output).toContain(head)
  })
})

/** A build that says that it has begun, and goes on when it may. */
const gated = (gate: string) =>
  `echo begun; while [ ! -e ${gate} ]; do sleep 0.02; done; echo ended\n`

describe('two pushes at once', () => {
  it('queue: the second waits, says for whom, and goes in after the first', async () => {
    const { folder, page, remoteMain } = await createProject()
    const gate = join(root, `gate-${count}`)
    await commit(folder, { 'index.html': 'zero' })
    await git(folder, 'push', 'home', 'main')
    const one = await commit(folder, { 'index.html': 'one', 'build.sh': gated(gate) })
    const first = startGit(folder, 'push', 'home', 'main')
    await until(() => first.said().includes('begun'), 30_000)
    const two = await commit(folder, { 'index.html': 'two', 'build.sh': 'true' })
    const second = startGit(folder, 'push', 'home', 'main')
    await until(() => second.said().includes('waiting'), 30_000)
    expect(second.said()).toContain(`remote: waiting for the push of main at ${one.slice(0, 7)}`)
    expect(await page()).toBe('zero')
    await writeFile(gate, '')
    expect(await first.ended).toMatchObject({ code: 0 })
    expect(await second.ended).toMatchObject({ code: 0 })
    expect(await page()).toBe('two')
    expect(await remoteMain()).toBe(two)
  })

  it('that go apart: the second is told to pull, and changes nothing', async () => {
    const { folder, page } = await createProject()
    const gate = join(root, `gate-${count}`)
    await commit(folder, { 'index.html': 'zero' })
    await git(folder, 'push', 'home', 'main')
    const other = join(root, `other-${count}`)
    const remote = (await git(folder, 'remote', 'get-url', 'home')).output.trim()
    await git(root, 'clone', '-q', remote, other)
    await commit(folder, { 'index.html': 'one', 'build.sh': gated(gate) })
    const first = startGit(folder, 'push', 'home', 'main')
    await until(() => first.said().includes('begun'), 30_000)
    await commit(other, { 'index.html': 'other' })
    const second = startGit(other, 'push', 'origin', 'main')
    await until(() => second.said().includes('waiting'), 30_000)
    await writeFile(gate, '')
    expect(await first.ended).toMatchObject({ code: 0 })
    const { code, output } = await second.ended
    expect(code).toBe(1)
    expect(output).toContain('another push has moved it to')
    expect(await page()).toBe('one')
  })
})

describe('a push that is cut off', () => {
  it('by whoever pushes ends its build, and leaves what is live', async () => {
    const { folder, page, remoteMain } = await createProject()
    const gate = join(root, `gate-${count}`)
    const good = await commit(folder, { 'index.html': 'good' })
    await git(folder, 'push', 'home', 'main')
    const pid = join(root, `pid-${count}`)
    const build = `echo $$ > ${pid}\n${gated(gate)}`
    await commit(folder, { 'index.html': 'half', 'build.sh': build })
    const push = startGit(folder, 'push', 'home', 'main')
    await until(() => push.said().includes('begun'), 30_000)
    push.interrupt()
    await push.ended
    const building = Number(await readFile(pid, 'utf8'))
    await until(async () => (await living([building])).length === 0, 30_000, 'end of the build')
    expect(await page()).toBe('good')
    expect(await remoteMain()).toBe(good)
    await writeFile(gate, '')
    expect(await git(folder, 'push', 'home', 'main')).toMatchObject({ code: 0 })
    expect(await page()).toBe('half')
  })

  it('by a cloud that is killed leaves nothing in the way of the next one', async () => {
    const { folder, name, page, remoteMain } = await createProject()
    const gate = join(root, `gate-${count}`)
    const good = await commit(folder, { 'index.html': 'good' })
    await git(folder, 'push', 'home', 'main')
    const pid = join(root, `pid-${count}`)
    const build = `echo $$ > ${pid}\n${gated(gate)}`
    await commit(folder, { 'index.html': 'half', 'build.sh': build })
    const push = startGit(folder, 'push', 'home', 'main')
    await until(() => push.said().includes('begun'), 30_000)
    await cloud.kill()
    expect((await push.ended).code).not.toBe(0)
    const building = Number(await readFile(pid, 'utf8'))
    await until(async () => (await living([building])).length === 0, 30_000, 'end of the build')
    // What a git that is killed while it writes a ref leaves.
    const repository = join(home, 'repositories', `${name}.git`)
    await mkdir(join(repository, 'refs/heads'), { recursive: true })
    await writeFile(join(repository, 'refs/heads/main.lock'), '')
    cloud = await startUp(home)
    const left = await readdir(join(repository, 'objects'))
    expect(left.filter(entry => entry.startsWith('tmp_'))).toEqual([])
    await git(folder, 'remote', 'set-url', 'home', remoteOf(cloud.addresses.control, token, name))
    expect(await remoteMain()).toBe(good)
    expect(await page()).toBe('good')
    await writeFile(gate, '')
    expect(await git(folder, 'push', 'home', 'main')).toMatchObject({ code: 0 })
    expect(await page()).toBe('half')
  })

  it('is tried anew in a workspace of which nothing can be used', async () => {
    const { folder, name, page } = await createProject()
    await commit(folder, { 'index.html': 'one' })
    await git(folder, 'push', 'home', 'main')
    const repository = join(home, 'workspaces', `${name}.git`)
    await rm(join(repository, 'objects'), { recursive: true })
    await writeFile(join(repository, 'config'), '[not git')
    await commit(folder, { 'index.html': 'two' })
    expect(await git(folder, 'push', 'home', 'main')).toMatchObject({ code: 0 })
    expect(await page()).toBe('two')
  })
})

it('a push that was expected and did not come leaves no process behind', async () => {
  const before = await descendants(cloud.pid)
  const path = '/git/expected.git/info/refs?service=git-receive-pack'
  const headers = { authorization: `Bearer ${token}` }
  for (let count = 0; count < 5; count++) {
    expect((await ask(cloud.addresses.control, path, { headers })).status).toBe(200)
  }
  const spare = async () =>
    (await descendants(cloud.pid)).filter(pid => !before.includes(pid)).length
  await until(async () => (await spare()) === 1) // those that it took the place of are ending
  const now = await descendants(cloud.pid)
  expect(await cloud.stop()).toBe(0)
  await untilGone(now, 30_000)
})
