import { existsSync } from 'node:fs'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commit, createRepository, git, remoteOf } from '../support/git.ts'
import { ask } from '../support/http.ts'
import { remove, startUp, type TestCloud, temporaryFolder, until } from '../support/moka.ts'
import { living } from '../support/processes.ts'

// A cloud that is root builds what is pushed as somebody else: what a push brings is a stranger's
// program, on a branch too.

let root: string
let home: string
let cloud: TestCloud
let token: string

beforeAll(async () => {
  root = await temporaryFolder('builds')
  home = await temporaryFolder('home')
  cloud = await startUp(home)
  token = (await readFile(join(home, 'token'), 'utf8')).trim()
})
afterAll(async () => {
  await cloud?.stop()
  await remove(root)
  await remove(home)
})

/** A project whose build runs a script and has what it says as its first page. */
async function createProject(name: string) {
  const folder = join(root, name)
  await createRepository(folder, remoteOf(cloud.addresses.control, token, name))
  await writeFile(
    join(folder, 'moka.config.ts'),
    `export default { name: '${name}', site: { build: 'sh ./build.sh', directory: 'dist' } }\n`,
  )
  return {
    push: async (script: string) => {
      const build = `mkdir -p dist\n{ ${script}\n} > dist/index.html 2>&1\ntrue\n`
      await commit(folder, { 'build.sh': build })
      return git(folder, 'push', 'home', 'main')
    },
    page: async () =>
      (await ask(cloud.addresses.site, '/', { host: `${name}.localhost` })).body.toString().trim(),
  }
}

describe.runIf(process.getuid?.() === 0)('builds of a cloud that is root', () => {
  it('run as a user of the project, with no groups and a folder of their own', async () => {
    const [one, two] = [await createProject('one'), await createProject('two')]
    expect(await one.push('id -u; id -G; echo $HOME')).toMatchObject({ code: 0 })
    expect(await two.push('id -u; id -G; echo $HOME')).toMatchObject({ code: 0 })
    const [uid = '', groups, folder = ''] = (await one.page()).split('\n')
    expect(Number(uid)).toBeGreaterThan(60_000)
    expect(groups).toBe(uid)
    expect((await stat(folder)).uid).toBe(Number(uid))
    expect((await two.page()).split('\n')[0]).not.toBe(uid)
  })

  it('read neither the cloud’s secrets nor another project’s files, and know their own history', async () => {
    const [one, two] = [await createProject('nosy'), await createProject('private')]
    await two.push('echo mine')
    const files = [
      'token',
      'secrets.key',
      'repositories/private.git/HEAD',
      'workspaces/private/build.sh',
    ]
    const reads = [
      ...files.map(path => `cat ${join(home, path)}`),
      ...['bucket', 'projects/private', 'repositories'].map(path => `ls ${join(home, path)}`),
    ]
    const script = `${reads.join('\n')}\ngit log -1 --format=%an`
    expect(await one.push(script)).toMatchObject({ code: 0 })
    const said = (await one.page()).split('\n')
    expect(said.filter(line => /Permission denied/.test(line))).toHaveLength(reads.length)
    expect(said).not.toContain(token)
    expect(said.at(-1)).toBe('Lena')
  })

  it('leave no process that could change what the next one has', async () => {
    const project = await createProject('daemon')
    await project.push('setsid sh -c "sleep 600" >/dev/null 2>&1 & echo $!')
    const pid = Number(await project.page())
    await until(async () => (await living([pid])).length === 0, 30_000, 'end of what was left')
  })

  it('have no say in what our own git does', async () => {
    const project = await createProject('planted')
    const trap = join(root, 'trap')
    const plant = [
      `printf '#!/bin/sh\\nid -u > ${trap}\\n' > .git/trap.sh && chmod +x .git/trap.sh`,
      'git config core.fsmonitor "$PWD/.git/trap.sh"; git config core.hooksPath "$PWD/.git"',
      'cp .git/trap.sh .git/post-checkout; git config filter.x.smudge "$PWD/.git/trap.sh"',
      'rm -rf assets; ln -s / assets; echo planted',
    ]
    await project.push(plant.join('\n'))
    expect(await project.page()).toBe('planted')
    expect(await project.push('ls -d assets; echo clean')).toMatchObject({ code: 0 })
    expect(await project.page()).toContain('clean')
    expect(await project.page()).toContain('No such file')
    expect(existsSync(trap)).toBe(false)
  })
})
