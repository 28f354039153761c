import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadProject } from '../../src/config/load.ts'
import type { Project } from '../../src/config/project.ts'
import { type DeployStep, deploy } from '../../src/deploy/deploy.ts'
import { previewTarget } from '../../src/deploy/targets/preview.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { closeOwnCloud, controlOf, type OwnCloud, openOwnCloud } from '../support/deploying.ts'
import { ask } from '../support/http.ts'
import { startUp, until, writeProject } from '../support/moka.ts'

// Deploys to previews that are cut off, and several at once.

let own: OwnCloud
beforeEach(async () => {
  own = await openOwnCloud('previews-chaos')
})
afterEach(() => closeOwnCloud(own))

async function writeVersion(says: string, migrations: number): Promise<Project> {
  const folder = join(own.root, 'shop')
  const files = Array.from({ length: migrations }, (_, number) => [
    `migrations/00${number}.sql`,
    `create table t${number} as select generate_series(1, 1000) as n;\n`,
  ])
  await writeProject(folder, {
    'moka.config.ts': `export default {
      name: 'shop', domain: 'shop.example', database: { migrations: 'migrations' },
    }\n`,
    'dist/index.html': says,
    ...Object.fromEntries(files),
  })
  return loadProject(folder)
}

const toPreview = (project: Project, name: string, onStep: (step: DeployStep) => void = () => {}) =>
  deploy(
    project,
    previewTarget(own.client, { name, database: 'copy' }),
    { clock: systemClock },
    { onStep },
  )

const page = async (host: string) => {
  const { status, body } = await ask(own.cloud.addresses.site, '/', { host })
  return status === 200 ? body.toString() : status
}

async function startAgain(): Promise<void> {
  await own.cloud.kill().catch(() => {})
  own.client.close()
  own.cloud = await startUp(own.home)
  own.client = await controlOf(own.home)
}

async function databases(): Promise<string[]> {
  const text = await readFile(join(own.home, 'database/credentials.json'), 'utf8')
  return (JSON.parse(text).projects as string[]).filter(name => name.startsWith('0-'))
}

describe('a cloud that is killed while a preview is deployed', () => {
  it('shows what it did, or the new release whole; the next deploy needs no repair', async () => {
    const host = 'menu.preview.shop.example'
    await deploy(await writeVersion('live', 1), own.client, { clock: systemClock })
    const steps: DeployStep[] = ['check', 'migrate', 'activate', 'confirm']
    let shown: string | number = 404
    for (const [round, killedAt] of steps.entries()) {
      const next = `preview ${round}`
      const project = await writeVersion(next, 2)
      let killing: Promise<void> | undefined
      const deployed = toPreview(project, 'menu', step => {
        if (step === killedAt) killing ??= own.cloud.kill()
      })
      await expect(deployed).rejects.toMatchObject({ code: expect.stringMatching(/^CONTROL_/) })
      await killing
      await startAgain()
      expect(await page('shop.example')).toBe('live')
      expect([shown, next]).toContain(await page(host))
      const again = await toPreview(await writeVersion(`${next} again`, 2), 'menu')
      expect(again.activated?.preview?.name).toBe('menu')
      shown = `${next} again`
      expect(await page(host)).toBe(shown)
      expect(await page('shop.example')).toBe('live')
    }
    await until(async () => (await databases()).length === 1, 30_000, 'one database is left')
  }, 120_000)
})

it('deploys to one preview, to others and of the live site at once end with one whole release each', async () => {
  await deploy(await writeVersion('live', 1), own.client, { clock: systemClock })
  const project = await writeVersion('next', 2)
  const unlocked = (number: number): Project => ({ ...project, root: join(own.root, `x${number}`) })
  const results = await Promise.all([
    toPreview(unlocked(1), 'one'),
    toPreview(unlocked(2), 'one'),
    toPreview(unlocked(3), 'one'),
    toPreview(unlocked(4), 'two'),
    deploy(unlocked(5), own.client, { clock: systemClock }),
  ])
  const ids = results.map(({ live }) => live)
  expect(new Set(ids).size).toBe(5)
  for (const host of ['shop.example', 'one.preview.shop.example', 'two.preview.shop.example']) {
    expect(await page(host)).toBe('next')
  }
  const listed = await own.client.previews.list('shop')
  expect(listed.map(({ name }) => name)).toEqual(['one', 'two'])
  expect(await databases()).toHaveLength(2)
})
