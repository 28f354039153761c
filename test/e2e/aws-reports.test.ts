import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mokaOnAws } from '../support/aws/commands.ts'
import { type Aws, noAws, startAws } from '../support/aws/start.ts'
import { startEdge, type TestEdge } from '../support/aws/test-edge.ts'
import { hasBuild, remove, temporaryFolder, writeProject } from '../support/moka.ts'

// A project on AWS without a domain is found by the outputs of its stack, and asked as a visitor would.

describe.skipIf(noAws !== undefined || !hasBuild())('moka crc --to aws', () => {
  let aws: Aws
  let edge: TestEdge
  let folder: string

  beforeAll(async () => {
    aws = await startAws()
    edge = await startEdge(aws, 'site')
    folder = await temporaryFolder('aws-reports')
    await writeProject(folder, {
      'moka.config.ts': `export default { name: 'site', aws: { region: 'eu-central-1' } }\n`,
      'dist/index.html': '<title>Ann</title><link rel="stylesheet" href="/a.css"><h1>Ann</h1>',
      'dist/a.css': 'h1 { color: brown }',
    })
  })
  afterAll(async () => {
    await edge?.close()
    await aws?.close()
    await remove(folder)
  })

  async function run(...args: string[]) {
    const { code, stdout, stderr } = await mokaOnAws({ aws, edge, folder }, args)
    expect(code, stderr).toBe(0)
    return JSON.parse(stdout)
  }

  it('shows nothing of a site that was not deployed, and the pages of one that was', async () => {
    const outcomes = async () => {
      const { steps } = await run('crc')
      return new Map(
        steps.map((step: { number: number; outcome: object }) => [step.number, step.outcome]),
      )
    }
    expect((await outcomes()).get(2)).toMatchObject({ kind: 'unknown' })
    const { release } = await run('deploy')
    const after = await outcomes()
    expect(after.get(2)).toMatchObject({ kind: 'done' })
    expect(after.get(3)).toMatchObject({
      kind: 'done',
      evidence: expect.stringContaining('/a.css'),
    })
    expect(after.get(4)).toMatchObject({
      kind: 'done',
      evidence: expect.stringContaining(`of release ${release}`),
    })
    expect(after.get(6)).toMatchObject({ kind: 'missing' })
  })
})
