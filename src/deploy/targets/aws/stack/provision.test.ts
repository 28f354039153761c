import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Aws, noAws, startAws } from '../../../../../test/support/aws/start.ts'
import type { Project } from '../../../../config/project.ts'
import { sampleProject } from '../template/sample.contract.ts'
import type { PlannedChange } from './change-plan.ts'
import { type ProvisionObserver, provision } from './provision.ts'

const title = 'provision, with AWS on loopback'
describe.skipIf(noAws !== undefined)(noAws === undefined ? title : `${title} (${noAws})`, () => {
  let aws: Aws
  beforeAll(async () => {
    aws = await startAws()
    Object.assign(process.env, aws.env)
  }, 60_000)
  afterAll(() => aws?.close())
  afterEach(() => aws.faults.clear())

  const run = (project: Project, observer: ProvisionObserver = {}, more = {}) =>
    provision(project, {
      clock: { now: () => 1_800_000_000_000 },
      who: { user: 'ada', host: 'engine' },
      wait: () => new Promise(resolve => setImmediate(resolve)),
      observer,
      ...more,
    })

  const edge = { redirects: [], headers: [] } as unknown as Project['edge']

  it('makes zone, certificate and site, and tells the name servers while the certificate waits', async () => {
    const project = sampleProject({ name: 'first', domain: 'first.example', edge })
    const held = aws.stacks.hold('Certificate')
    const told: string[] = []
    const servers = new Promise<readonly string[]>(resolve => {
      void run(project, {
        onNameServers: (_domain, names) => resolve(names),
        onPlan: (stack, changes) => told.push(`${stack} ${changes.length > 0}`),
      }).then(done => told.push(done.outputs?.BucketName ?? 'none'))
    })
    await held.reached
    expect(await servers).toEqual([
      expect.stringMatching(/^ns-/),
      expect.anything(),
      expect.anything(),
      expect.anything(),
    ])
    expect(told).toEqual(['mokapot-first-domain true'])
    held.release()
    await expect.poll(() => told, { timeout: 20_000 }).toHaveLength(3)
    expect(told.slice(1)).toEqual([
      'mokapot-first true',
      expect.stringMatching(/^mokapot-first-bucket/),
    ])
  })
})
