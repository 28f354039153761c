import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Aws, noAws, startAws } from '../../../../../test/support/aws/start.ts'
import { systemClock } from '../../../../shared/clock.ts'
import { provision } from '../stack/provision.ts'
import { sampleProject } from './sample.contract.ts'

const options = { clock: systemClock, who: { user: 'anna', host: 'laptop' } }
const aws = {
  functionUrls: ['render'],
  github: { owner: 'you', repository: 'site', branch: 'main' },
  budget: { monthlyUsd: 5, email: 'you@example.org' },
}

describe.skipIf(noAws !== undefined)('functions, database, pipeline and budget', () => {
  let account: Aws
  beforeAll(async () => {
    account = await startAws()
    for (const [name, value] of Object.entries(account.env)) vi.stubEnv(name, value)
  })
  afterAll(async () => {
    vi.unstubAllEnvs()
    await account?.close()
  })

  it.each(['rds', 'dsql'] as const)(
    'come up beside %s, and change one by one',
    async database => {
      const project = sampleProject({ name: database, aws: { ...aws, database } })
      const { outputs } = await provision(project, options)
      expect(outputs).toMatchObject({
        ApiEndpoint: expect.stringMatching(/^https:/),
        DatabaseHost: expect.stringMatching(database),
        DeployRoleArn: expect.stringMatching(`role/mokapot/${database}/access/`),
      })
      expect((await provision(project, options)).isChanged).toBe(false)
      // Another function's URL goes, and a function; the rest, the database among it, stays.
      const planned: string[] = []
      const onPlan = (_: string, changes: readonly { sign: string; id: string }[]) =>
        planned.push(...changes.map(({ sign, id }) => `${sign} ${id}`))
      const less = {
        ...project,
        functions: project.functions.slice(0, 1),
        aws: { ...project.aws, functionUrls: [] },
      }
      const changed = await provision(less, { ...options, observer: { onPlan } })
      expect(changed.isChanged).toBe(true)
      expect(planned).toContain('- RenderFunction')
      expect(
        planned.filter(change => /Database|Network|Subnet|VisitsFunction/.test(change)),
      ).toEqual([])
    },
    120_000,
  )
})
