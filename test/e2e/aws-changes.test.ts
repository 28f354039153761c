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
const title = 'a deploy that changes what the project is'
// Each stack takes a while on a machine that is busy.
const options = { timeout: 120_000 }
describe.skipIf(why !== undefined)(why === undefined ? title : `${title} (${why})`, options, () => {
  let aws: Aws
  let edge: TestEdge
  let folder: string
  let env: Record<string, string>

  beforeAll(async () => {
    aws = await startAws()
    edge = await startEdge(aws, 'changed')
    env = awsEnv({ aws, edge })
    folder = await temporaryFolder('aws-changes')
  }, 60_000)
  afterAll(async () => {
    await edge?.close()
    await aws?.close()
    if (folder !== undefined) await remove(folder)
  })

  const run = (...args: string[]) => moka([...args, '--to', 'aws'], { cwd: folder, env })
  const write = (page: string, functions: Record<string, string>) => {
    const settings = Object.entries(functions).map(
      ([name, route]) => `${name}: { entry: '${name}.mjs', routes: ['${route}'] }`,
    )
    return writeProject(folder, {
      'moka.config.ts': `export default { name: 'changed', database: false, functions: { ${settings.join(', ')} } }\n`,
      'dist/index.html': page,
      'one.mjs': `export const handler = async () => 'one'\n`,
      'two.mjs': `export const handler = async () => 'two'\n`,
    })
  }
  const page = async () => (await fetch(edge.address)).text()
  const resources = () => aws.stacks.find('mokapot-changed')?.resources
  /** Which function the HTTP API asks at a path. */
  const asked = (path: string) => {
    const all = [...(resources()?.values() ?? [])]
    const route = all.find(({ properties }) => properties.RouteKey === `ANY ${path}`)
    const id = String(route?.properties.Target).replace('integrations/', '')
    const integration = all.find(
      ({ type, made }) => type === 'AWS::ApiGatewayV2::Integration' && made.id === id,
    )
    return /function:mokapot-changed_(\w+)/.exec(
      String(integration?.properties.IntegrationUri),
    )?.[1]
  }

  it('protects a database when its first release is live', async () => {
    const young = await startEdge(aws, 'young')
    const other = await temporaryFolder('aws-young')
    await writeProject(other, {
      'moka.config.ts': `export default { name: 'young', database: true, aws: { database: 'dsql' } }\n`,
      'dist/index.html': 'young',
    })
    const isProtected = () =>
      aws.stacks.find('mokapot-young')?.resources.get('Cluster')?.properties
        .DeletionProtectionEnabled
    const held = aws.faults.hold('cloudfront-keyvaluestore:UpdateKeys')
    const deploying = moka(['deploy', '--to', 'aws'], {
      cwd: other,
      env: awsEnv({ aws, edge: young }),
    })
    await held.reached
    expect(isProtected()).toBe(false)
    held.release()
    expect(await deploying).toMatchObject({ code: 0 })
    expect(isProtected()).toBe(true)
    await young.close()
    await remove(other)
  })

  it('leaves a function where it is, and its route, until pages are live that do without', async () => {
    await write('with both', { one: '/api/one', two: '/api/two' })
    expect(await run('deploy')).toMatchObject({ code: 0 })
    await write('with one', { one: '/api/one' })
    const dry = await run('deploy', '--dry-run')
    expect(dry.stderr).toMatch(
      /^- mokapot-changed TwoFunction AWS::Lambda::Function {2}when the release is live$/m,
    )
    aws.faults.forgetCalls()
    aws.faults.refuse('cloudfront-keyvaluestore:UpdateKeys', { code: 'AccessDenied', status: 403 })
    expect(await run('deploy')).toMatchObject({ code: 1 })
    aws.faults.clear()
    expect(aws.faults.count('cloudformation:ExecuteChangeSet')).toBe(0)
    expect([await page(), asked('/api/two')]).toEqual(['with both', 'two'])
    const held = aws.stacks.hold('TwoFunction', 'DELETE')
    const deploying = run('deploy')
    await held.reached
    expect(await page()).toBe('with one')
    held.release()
    expect(await deploying).toMatchObject({ code: 0 })
    expect(aws.faults.count('cloudformation:ExecuteChangeSet')).toBe(1)
    expect(resources()?.has('TwoFunction')).toBe(false)
  })

  it('asks for a secret before it changes anything', async () => {
    const project = (secrets: string) =>
      writeProject(folder, {
        'moka.config.ts': `export default { name: 'changed', database: false, functions: { one: { entry: 'one.mjs', routes: ['/api/one'] }, three: { entry: 'two.mjs', routes: ['/api/three']${secrets} } } }\n`,
      })
    await project(`, secrets: ['TOKEN']`)
    aws.faults.forgetCalls()
    const refused = await run('deploy')
    expect(refused).toMatchObject({ code: 1 })
    expect(refused.stderr).toContain(
      'cannot publish function "three": its secret "TOKEN" is not set on AWS\ntry: moka secrets set TOKEN --to aws\n',
    )
    expect(aws.faults.count('cloudformation:CreateChangeSet')).toBe(0)
    expect(resources()?.has('ThreeFunction')).toBe(false)
    await project('')
    expect(await run('deploy')).toMatchObject({ code: 0 })
    expect(resources()?.has('ThreeFunction')).toBe(true)
  })

  it('says before it changes anything that a release cannot be had back without its function', async () => {
    aws.faults.forgetCalls()
    const { code, stderr } = await run('rollback', 'r-1')
    expect(code).toBe(1)
    expect(stderr).toContain(
      'cannot roll back project "changed" to "r-1": its function "two" is no longer on AWS',
    )
    expect(stderr).toContain('moka deploy --to aws')
    const writes = aws.faults.calls.filter(({ name }) => /^(?:Update|Publish|Create)/.test(name))
    expect(writes).toEqual([])
  })

  it('leads a route to another function when the release is live', async () => {
    await write('moved', { one: '/api/new', two: '/api/one' })
    const held = aws.faults.hold('cloudfront-keyvaluestore:UpdateKeys')
    const deploying = run('deploy')
    await held.reached
    expect([asked('/api/one'), asked('/api/new')]).toEqual(['one', 'one'])
    held.release()
    expect(await deploying).toMatchObject({ code: 0 })
    expect([await page(), asked('/api/one'), asked('/api/new')]).toEqual(['moved', 'two', 'one'])
  })

  it('takes away later what it could not after kill -9, and is done with it then', async () => {
    await write('one again', { one: '/api/one' })
    // Nothing is new before the release: the first change is the one after it.
    const held = aws.faults.hold('cloudformation:CreateChangeSet')
    const killed = spawnMoka(['deploy', '--to', 'aws'], { cwd: folder, env })
    const gone = once(killed, 'exit')
    await held.reached
    killed.kill('SIGKILL')
    await gone
    held.release()
    aws.faults.clear()
    expect(await page()).toBe('one again')
    const next = await run('deploy')
    expect(next).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing') })
    expect([resources()?.has('TwoFunction'), asked('/api/one')]).toEqual([false, 'one'])
    aws.faults.forgetCalls()
    expect(await run('deploy')).toMatchObject({ code: 0 })
    expect(aws.faults.count('cloudformation:*')).toBe(
      aws.faults.count('cloudformation:DescribeStacks'),
    )
  })
})
