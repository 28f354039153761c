import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadProject } from '../../src/config/load.ts'
import { databaseFunctionName } from '../../src/deploy/targets/aws/stack/names.ts'
import { findOnPath } from '../../src/shared/tied-process.ts'
import { awsEnv } from '../support/aws/commands.ts'
import { type IamRole, iamRoles, isAllowed } from '../support/aws/iam.ts'
import { iamCallsOf } from '../support/aws/iam-calls.ts'
import { type IamPostgres, startIamPostgres } from '../support/aws/lambda/iam-postgres.ts'
import { type Aws, noAws, startAws } from '../support/aws/start.ts'
import { startEdge, type TestEdge } from '../support/aws/test-edge.ts'
import { hasBuild, moka, remove, temporaryFolder, writeProject } from '../support/moka.ts'

/** What the role's own tests hold it against. */
const listed = new Set(
  (
    JSON.parse(readFileSync('test/fixtures/aws/deploy-calls.json', 'utf8')) as {
      allowed: [action: string][]
    }
  ).allowed.map(([action]) => action),
)

const config = (more: string) => `export default {
  name: 'site',
  functions: {
    visits: { entry: 'visits.mjs', rateLimit: '5/minute', secrets: ['TOKEN'] },
    ${more}
  },
  aws: {
    database: 'rds',
    region: 'eu-central-1',
    github: { repository: 'you/site' },
    budget: { monthlyUsd: 5, email: 'you@example.org' },
  },
}\n`
const handler = (answer: string) => `export const handler = async () => '${answer}'\n`

describe.skipIf(noAws !== undefined || !hasBuild() || findOnPath('openssl') === undefined)(
  'calls that a deploy makes',
  () => {
    let aws: Aws
    let postgres: IamPostgres
    let edge: TestEdge
    let folder: string
    let role: IamRole

    beforeAll(async () => {
      ;[aws, postgres] = await Promise.all([startAws(), startIamPostgres()])
      aws.lambdas.standInForRds(postgres, [databaseFunctionName('site')])
      edge = await startEdge(aws, 'site')
      folder = await temporaryFolder('aws-role')
      await writeProject(folder, {
        'moka.config.ts': config(''),
        'dist/index.html': 'one',
        'visits.mjs': handler('one'),
        'migrations/001.sql': 'create table visits (id int);',
      })
      // The first deploy is a person's: it makes the role.
      await run(['secrets', 'set', 'TOKEN'], 'secret')
      await run(['deploy'])
      role = iamRoles(await loadProject(folder)).get('DeployRole')!
    }, 180_000)
    afterAll(async () => {
      await edge?.close()
      await aws?.close()
      await postgres?.close()
      await remove(folder)
    })

    async function run(args: string[], input?: string) {
      const env = awsEnv({ aws, edge })
      const options = { cwd: folder, env, ...(input === undefined ? {} : { input }) }
      const done = await moka([...args, '--to', 'aws'], options)
      expect(done, done.stderr).toMatchObject({ code: 0 })
    }

    it.each([
      [
        'of files, code and migrations',
        {
          'dist/index.html': 'two',
          'visits.mjs': handler('two'),
          'migrations/002.sql': 'alter table visits add who text;',
        },
        ['deploy'],
      ],
      [
        'of one more function',
        { 'moka.config.ts': config(`more: { entry: 'more.mjs' }`), 'more.mjs': handler('more') },
        ['deploy'],
      ],
      ['of a way back', {}, ['rollback']],
      ['of a preview', { 'dist/index.html': 'three' }, ['deploy', '--preview', 'next']],
      ['of the previews', {}, ['previews']],
      ['of the end of a preview', {}, ['previews', 'remove', 'next']],
      ['of a list', {}, ['releases']],
      ['of logs', {}, ['logs', 'visits']],
    ])(
      '%s are each allowed to the role that deploys',
      async (_, files, args) => {
        for (const [path, text] of Object.entries(files)) await writeFile(join(folder, path), text)
        aws.faults.forgetCalls()
        await run(args)
        const calls = iamCallsOf(aws.faults.calls)
        expect(calls.length).toBeGreaterThan(0)
        expect(calls.map(({ action }) => action).filter(action => !listed.has(action))).toEqual([])
        for (const call of calls) {
          expect(await isAllowed(role, call), `${call.action} on ${call.resource}`).toBe(true)
        }
      },
      120_000,
    )
  },
)
