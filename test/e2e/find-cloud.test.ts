import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  moka,
  remove,
  startDev,
  startUp,
  type TestCloud,
  temporaryFolder,
  writeProject,
} from '../support/moka.ts'

// Which cloud a command speaks to. `moka env` tells the address of the one that answered.

describe('a command finds its cloud', () => {
  let project: string
  let home: string
  let dev: TestCloud
  let up: TestCloud
  let upToken: string
  let devToken: string

  const env = async (args: string[], variables: Record<string, string>, cwd = project) => {
    const { code, stdout, stderr } = await moka(['env', '--json', ...args], { cwd, env: variables })
    if (code !== 0) return { code, error: JSON.parse(stderr).error }
    return JSON.parse(stdout) as { MOKA_CLOUD: string; MOKA_TOKEN: string }
  }

  beforeAll(async () => {
    project = await temporaryFolder('find')
    home = await temporaryFolder('home')
    await writeProject(project, { 'dist/index.html': 'hello', 'sub/folder/file': '' })
    up = await startUp(home)
    const deployed = await moka(['deploy'], { cwd: project, env: { MOKA_HOME: home } })
    expect(deployed, deployed.stderr).toMatchObject({ code: 0 })
    dev = await startDev(project)
    devToken = ((await env([], {})) as { MOKA_TOKEN: string }).MOKA_TOKEN
    const outside = await env(['--project', 'site'], { MOKA_HOME: home }, home)
    upToken = (outside as { MOKA_TOKEN: string }).MOKA_TOKEN
  })
  afterAll(async () => {
    await dev?.stop()
    await up?.stop()
    await remove(project)
    await remove(home)
  })

  it('in the project: the one that `moka dev` runs there, before the machine’s', async () => {
    const expected = { MOKA_CLOUD: dev.addresses.control, MOKA_TOKEN: devToken }
    expect(await env([], { MOKA_HOME: home })).toMatchObject(expected)
    expect(await env([], { MOKA_HOME: home }, join(project, 'sub/folder'))).toMatchObject(expected)
  })

  it('elsewhere: the machine’s own', async () => {
    expect(upToken).not.toBe(devToken)
    expect(await env(['--project', 'site'], { MOKA_HOME: home }, home)).toMatchObject({
      MOKA_CLOUD: up.addresses.control,
      MOKA_TOKEN: upToken,
    })
  })

  it('by MOKA_CLOUD and MOKA_TOKEN, before the project’s', async () => {
    const variables = { MOKA_CLOUD: up.addresses.control, MOKA_TOKEN: upToken }
    expect(await env([], variables)).toMatchObject(variables)
  })

  it('by --cloud, before MOKA_CLOUD', async () => {
    const variables = { MOKA_CLOUD: up.addresses.control, MOKA_TOKEN: devToken }
    expect(await env(['--cloud', dev.addresses.control], variables)).toMatchObject({
      MOKA_CLOUD: dev.addresses.control,
    })
  })

  it('and needs no token for one of this very project or machine', async () => {
    const MOKA_CLOUD = `${dev.addresses.control}/`
    expect(await env([], { MOKA_CLOUD })).toMatchObject({ MOKA_TOKEN: devToken })
  })

  it.each([
    ['no token', { MOKA_TOKEN: '' }, 'MOKA_TOKEN is not set'],
    ['a wrong token', { MOKA_TOKEN: 'wrong' }, 'token'],
  ])('not with %s', async (_what, variables, text) => {
    const args = ['--cloud', up.addresses.control]
    const result = await env(args, { ...variables, MOKA_HOME: '/nonexistent/mokapot' })
    expect(result).toMatchObject({ code: 1, error: { message: expect.stringContaining(text) } })
    expect((result as { error: { hint: string } }).error.hint).toMatch(/token|moka env/i)
  })

  it('not where nobody listens, where something else answers, or by what is no address', async () => {
    const MOKA_TOKEN = upToken
    const reasons: unknown[] = []
    for (const cloud of ['http://127.0.0.1:1', up.addresses.site, 'up']) {
      const result = await moka(['releases', '--cloud', cloud], {
        cwd: project,
        env: { MOKA_TOKEN },
      })
      expect(result, cloud).toMatchObject({ code: 1, stdout: '' })
      expect(result.stderr, cloud).toMatch(new RegExp(`"${cloud}"[\\s\\S]*\ntry: `))
      reasons.push(result.stderr)
    }
    expect(new Set(reasons).size).toBe(3)
  })

  it('not when none runs: then it says how to start one', async () => {
    const empty = await temporaryFolder('empty')
    // Left by a cloud that was killed; another one has its port now.
    const runtime = { pid: 1, token: 'old', addresses: { control: up.addresses.control } }
    await writeFile(join(empty, 'cloud.json'), JSON.stringify(runtime))
    for (const MOKA_HOME of ['/nonexistent/mokapot', empty]) {
      const { code, stdout, stderr } = await moka(['releases'], { cwd: empty, env: { MOKA_HOME } })
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
      expect(stderr).toMatch(/none is running here\ntry: .*moka dev.*moka up.*--cloud/)
    }
    await remove(empty)
  })
})
