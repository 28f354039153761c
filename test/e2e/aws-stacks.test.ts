import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { awsEnv } from '../support/aws/commands.ts'
import { type Aws, noAws, startAws } from '../support/aws/start.ts'
import { startEdge, type TestEdge } from '../support/aws/test-edge.ts'
import {
  hasBuild,
  moka,
  remove,
  spawnMoka,
  temporaryFolder,
  writeProject,
} from '../support/moka.ts'

const why = noAws ?? (hasBuild() ? undefined : 'not built')
const title = 'stacks of a project, from the command line'
describe.skipIf(why !== undefined)(why === undefined ? title : `${title} (${why})`, () => {
  let aws: Aws
  let edge: TestEdge
  let folder: string
  let env: Record<string, string>

  beforeAll(async () => {
    aws = await startAws()
    edge = await startEdge(aws, 'stacked')
    env = awsEnv({ aws, edge })
    folder = await temporaryFolder('aws-stacks')
    await writeProject(folder, {
      'moka.config.ts': `export default { name: 'stacked' }\n`,
      'dist/index.html': '<h1>one</h1>',
    })
  })
  afterAll(async () => {
    await edge?.close()
    await aws?.close()
    if (folder !== undefined) await remove(folder)
  })

  const run = (...args: string[]) => moka([...args, '--to', 'aws'], { cwd: folder, env })
  const status = () => aws.stacks.find('mokapot-stacked')?.status

  it('tells the resource that failed and what mends it, in two lines', async () => {
    aws.stacks.fail(
      'Distribution',
      'Resource handler returned message: "Invalid request provided: AWS::CloudFront::Distribution: One or more of the CNAMEs you provided are already associated with a different resource. (Service: CloudFront, Status Code: 409, Request ID: 1)" (RequestToken: 2, HandlerErrorCode: InvalidRequest)',
    )
    const { code, stderr } = await run('deploy')
    expect(code).toBe(1)
    expect(stderr.trim().split('\n').slice(-2)).toEqual([
      'cannot make stack "mokapot-stacked": Distribution (AWS::CloudFront::Distribution) failed: One or more of the CNAMEs you provided are already associated with a different resource',
      expect.stringMatching(/^try: another distribution has this name/),
    ])
    expect(status()).toBe('ROLLBACK_COMPLETE')
  })

  it('goes on after kill -9 in the middle of it, from what is there', async () => {
    const held = aws.stacks.hold('Distribution')
    const killed = spawnMoka(['deploy', '--to', 'aws'], { cwd: folder, env })
    const gone = once(killed, 'exit')
    await held.reached
    killed.kill('SIGKILL')
    await gone
    const next = run('deploy')
    aws.faults.forgetCalls()
    await expect
      .poll(() => aws.faults.count('cloudformation:DescribeStackEvents'), { timeout: 30_000 })
      .toBeGreaterThan(0)
    held.release()
    const { code, stderr, stdout } = await next
    expect(stderr).toMatch(
      /stack mokapot-stacked is CREATE_IN_PROGRESS by \S+ at \S+; waiting for it/,
    )
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('r-1') })
    expect(aws.faults.count('cloudformation:ExecuteChangeSet')).toBe(0)
    expect(await (await fetch(edge.address)).text()).toBe('<h1>one</h1>')
  })

  it('destroys nothing that was not confirmed', async () => {
    const unasked = await run('destroy')
    expect(unasked).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('try: moka destroy --to aws --yes stacked'),
    })
    const other = await run('destroy', '--yes', 'other')
    expect(other.stderr).toContain('cannot destroy project "stacked": --yes names "other"')
    const dry = await run('destroy', '--dry-run')
    expect(dry.stdout).toMatch(/^- Distribution "\w+"$/m)
    expect(dry.stdout).toMatch(/^= bucket "mokapot-stacked-bucket-\w+" {2}--delete-bucket/m)
    expect(status()).toBe('CREATE_COMPLETE')
  })

  it('destroys what was said, and goes on after kill -9', async () => {
    const held = aws.stacks.hold('Distribution', 'DELETE')
    const args = ['destroy', '--to', 'aws', '--yes', 'stacked', '--delete-bucket', '--json']
    const killed = spawnMoka(args, { cwd: folder, env })
    const gone = once(killed, 'exit')
    await held.reached
    killed.kill('SIGKILL')
    await gone
    held.release()
    const done = await run('destroy', '--yes', 'stacked', '--delete-bucket', '--json')
    expect(done).toMatchObject({ code: 0 })
    const result = JSON.parse(done.stdout)
    expect(result).toMatchObject({ project: 'stacked', destroyed: true, stays: [] })
    expect(result.goes).toContainEqual(expect.objectContaining({ type: 'AWS::S3::Bucket' }))
    const again = await run('destroy', '--yes', 'stacked')
    expect(again).toMatchObject({ code: 0, stdout: 'nothing goes, 0 things stay\n' })
  })
})
