import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Aws, noAws, startAws } from '../support/aws/start.ts'
import { startEdge, type TestEdge } from '../support/aws/test-edge.ts'
import { hasBuild, moka, remove, temporaryFolder, writeProject } from '../support/moka.ts'

describe.skipIf(noAws !== undefined || !hasBuild())('moka deploy --to aws', () => {
  let aws: Aws
  let edge: TestEdge
  let folder: string

  beforeAll(async () => {
    aws = await startAws()
    edge = await startEdge(aws, 'site')
    folder = await temporaryFolder('aws')
  })
  afterAll(async () => {
    await edge?.close()
    await aws?.close()
    await remove(folder)
  })

  async function run(...args: string[]) {
    const env = { ...aws.env, MOKA_AWS_SITE: edge.address }
    const { code, stdout, stderr } = await moka([...args, '--to', 'aws', '--json'], {
      cwd: folder,
      env,
    })
    return { code, stderr, result: stdout === '' ? undefined : JSON.parse(stdout) }
  }
  const page = async (path: string) => (await fetch(new URL(path, edge.address))).text()

  it('makes the stack, and a release that visitors see', async () => {
    await writeProject(folder, {
      'moka.config.ts': `export default { name: 'site' }\n`,
      'dist/index.html': '<h1>one</h1>',
      'dist/old.html': 'moved',
    })
    const done = await run('deploy')
    expect(done.stderr).toContain('stack mokapot-site')
    expect(done).toMatchObject({ code: 0, result: { release: 'r-1', isNew: true } })
    expect(await page('/')).toBe('<h1>one</h1>')
  })

  it('changes files without a question to CloudFormation but one', async () => {
    await rm(join(folder, 'dist/old.html'))
    await writeProject(folder, {
      'moka.config.ts': `export default { name: 'site' }\n`,
      'dist/index.html': '<h1>two</h1>',
      'dist/new.html': 'moved',
    })
    aws.faults.forgetCalls()
    const done = await run('deploy')
    expect(done).toMatchObject({ code: 0, result: { release: 'r-2' } })
    expect(await page('/')).toBe('<h1>two</h1>')
    expect(await page('/new')).toBe('moved')
  })

  it('rolls back', async () => {
    const done = await run('rollback')
    expect(done).toMatchObject({ code: 0, result: { release: 'r-1' } })
    expect(await page('/')).toBe('<h1>one</h1>')
    const { result } = await run('releases')
    expect(result.map(({ id, isLive }: { id: string; isLive: boolean }) => [id, isLive])).toEqual([
      ['r-2', false],
      ['r-1', true],
    ])
  })
})
