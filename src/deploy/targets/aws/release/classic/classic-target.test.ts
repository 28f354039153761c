import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Aws, noAws, startAws } from '../../../../../../test/support/aws/start.ts'
import { startEdge, type TestEdge } from '../../../../../../test/support/aws/test-edge.ts'
import { remove, temporaryFolder, writeProject } from '../../../../../../test/support/moka.ts'
import { loadProject } from '../../../../../config/load.ts'
import { systemClock } from '../../../../../shared/clock.ts'
import { deploy } from '../../../../deploy.ts'
import { previewTarget } from '../../../preview.ts'
import { classicRequestCode } from '../../viewer/viewer-code.ts'
import { type AwsTarget, openAwsTarget } from '../open-aws.ts'

describe.skipIf(noAws !== undefined)('classic mode', () => {
  let aws: Aws
  let edge: TestEdge
  let folder: string

  beforeAll(async () => {
    aws = await startAws()
    edge = await startEdge(aws, 'plain')
    Object.assign(process.env, aws.env, { MOKA_AWS_SITE: edge.address })
    folder = await temporaryFolder('classic')
  })
  afterAll(async () => {
    await edge?.close()
    await aws?.close()
    await remove(folder)
  })

  async function opened<T>(work: (target: AwsTarget) => Promise<T>): Promise<T> {
    const project = await loadProject(folder)
    const target = openAwsTarget(project, { clock: systemClock, isDeploy: true })
    try {
      return await work(target)
    } finally {
      await target.close()
    }
  }
  const write = (files: Record<string, string>) =>
    writeProject(folder, {
      'moka.config.ts': `export default { name: 'plain', aws: { mode: 'classic' } }\n`,
      ...Object.fromEntries(
        Object.entries(files).map(([path, text]) => [join('dist', path), text]),
      ),
    })
  const deployed = () =>
    opened(async target => deploy(await loadProject(folder), target, { clock: systemClock }))
  const ask = (path: string) => fetch(new URL(path, edge.address), { redirect: 'manual' })

  it('puts files into the root, follows rules, and invalidates what changed', async () => {
    await write({
      ...{ 'index.html': 'one', 'about/index.html': 'about', 'gone.html': 'gone' },
      ...{ 'a.txt': 'a', 'b.txt': 'b', 'app-4f2a9c1b.js': 'app', _redirects: '/old /about 301\n' },
    })
    expect((await deployed()).live).toBe('r-1')
    expect(await (await ask('/')).text()).toBe('one')
    expect(await (await ask('/about/')).text()).toBe('about')
    expect((await ask('/old')).headers.get('location')).toBe('/about')
    await rm(join(folder, 'dist/gone.html'))
    await rm(join(folder, 'dist/app-4f2a9c1b.js'))
    // What is swapped must not be copied from where it is no longer.
    await write({ 'index.html': 'two', 'a.txt': 'b', 'b.txt': 'a' })
    aws.faults.forgetCalls()
    const { live, plan } = await deployed()
    expect([live, plan.files.changed, plan.files.removed]).toEqual(['r-2', 3, 2])
    expect(aws.faults.count('cloudfront:CreateInvalidation')).toBe(1)
    expect(aws.faults.count('cloudformation:CreateChangeSet')).toBe(0)
    const texts = ['/', '/a.txt', '/b.txt'].map(async path => (await ask(path)).text())
    expect(await Promise.all(texts)).toEqual(['two', 'b', 'a'])
    expect((await ask('/gone')).status).toBe(404)
    expect((await ask('/app-4f2a9c1b.js')).status).toBe(200) // for pages that name it still
    expect((await deployed()).activated).toBeUndefined()
  })

  it('publishes pages and rules again where an update of the stack put others there, though no file differs', async () => {
    const name = 'plain-request-eu-central-1'
    const config = { comment: '', runtime: 'cloudfront-js-2.0', keyValueStoreArns: [] }
    const empty = classicRequestCode({ paths: [], redirects: [], headers: [] })
    aws.edgeFunctions.update(name, config, Buffer.from(empty))
    aws.edgeFunctions.publish(name)
    expect((await ask('/about/')).status).toBe(200)
    expect((await ask('/old')).status).toBe(404)
    const { activated, plan } = await deployed()
    expect([activated?.id, plan.changes]).toEqual(['r-3', []])
    expect((await ask('/old')).headers.get('location')).toBe('/about')
    expect((await deployed()).activated).toBeUndefined()
  })

  it('says what could not be taken back, and goes on from there', async () => {
    await write({ 'index.html': 'broken' })
    aws.faults.refuse('cloudfront:CreateInvalidation', { code: 'AccessDenied' }, { times: 9 })
    await expect(deployed()).rejects.toMatchObject({
      message: expect.stringContaining('could not be taken back'),
      hint: expect.stringContaining('deploy again soon'),
    })
    aws.faults.clear()
    await write({ 'index.html': 'two' })
    expect((await deployed()).activated?.id).toBe('r-4')
    expect(await (await ask('/')).text()).toBe('two')
  })

  it('has no previews and no rollback, and says what has', async () => {
    const preview = opened(async target =>
      deploy(await loadProject(folder), previewTarget(target, { name: 'menu' }), {
        clock: systemClock,
      }),
    )
    await expect(preview).rejects.toMatchObject({ code: 'AWS_CLASSIC_NO_PREVIEWS' })
    const rollback = opened(target => target.rollback('plain'))
    await expect(rollback).rejects.toMatchObject({ code: 'AWS_CLASSIC_NO_ROLLBACK' })
    const releases = await opened(target => target.releases('plain'))
    expect(releases.map(({ id, isLive }) => [id, isLive])).toEqual([
      ['r-4', true],
      ['r-3', false],
      ['r-2', false],
      ['r-1', false],
    ])
  })

  it('refuses a file where deploys keep their own', async () => {
    await write({ 'manifests/r-1.json': '{}' })
    await expect(deployed()).rejects.toMatchObject({ code: 'AWS_CLASSIC_NAME' })
    expect(await (await ask('/')).text()).toBe('two')
  })
})
