import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databaseFunctionName, lambdaName } from '../../src/deploy/targets/aws/stack/names.ts'
import { findOnPath } from '../../src/shared/tied-process.ts'
import { mokaOnAws } from '../support/aws/commands.ts'
import { type IamPostgres, startIamPostgres } from '../support/aws/lambda/iam-postgres.ts'
import { type Aws, noAws, startAws } from '../support/aws/start.ts'
import { startEdge, type TestEdge } from '../support/aws/test-edge.ts'
import { hasBuild, remove, temporaryFolder, writeProject } from '../support/moka.ts'

const CONFIG = `export default {
  name: 'site',
  aws: { database: 'rds', region: 'eu-central-1' },
  functions: {
    visits: { entry: 'functions/visits.py', rateLimit: '60/minute' },
    pay: { entry: 'functions/pay.mjs', secrets: ['STRIPE_KEY'], rateLimit: '60/minute' },
  },
}\n`
const VISITS = `
import mokapot

def handler(event, context):
    print("visit by", event.get("who"))
    if event.get("who") is None:
        raise ValueError("nobody came")
    return mokapot.query("insert into visits (who) values ($1) returning id", event["who"])[0]
`
const PAY = (version: number) => `
import postgres from 'postgres'
const sql = postgres(process.env.DATABASE_URL, { max: 1 })
export const handler = async () => {
  const [{ count }] = await sql\`select count(*)::int from visits\`
  return { key: process.env.STRIPE_KEY, count, version: ${version} }
}
`

describe.skipIf(noAws !== undefined || !hasBuild() || findOnPath('openssl') === undefined)(
  'a project with functions and a database on AWS',
  () => {
    let aws: Aws
    let edge: TestEdge
    let postgres: IamPostgres
    let folder: string

    beforeAll(async () => {
      ;[aws, postgres] = await Promise.all([startAws(), startIamPostgres()])
      edge = await startEdge(aws, 'site')
      folder = await temporaryFolder('aws-operations')
      const names = [lambdaName('site', 'visits'), lambdaName('site', 'pay')]
      aws.lambdas.standInForRds(postgres, [...names, databaseFunctionName('site')])
    }, 120_000)
    afterAll(async () => {
      await edge?.close()
      await aws?.close()
      await postgres?.close()
      await remove(folder)
    })

    async function run(args: string[], input?: string) {
      const { code, stdout, stderr } = await mokaOnAws({ aws, edge, folder }, args, input)
      const lines = stdout.split('\n').filter(line => line !== '')
      return {
        code,
        stderr,
        lines: lines.map(line => JSON.parse(line)),
        result: lines[0] && JSON.parse(lines[0]),
      }
    }
    const write = (version: number, more: Record<string, string> = {}) =>
      writeProject(folder, {
        'moka.config.ts': CONFIG,
        'dist/index.html': `version ${version}`,
        'functions/visits.py': VISITS,
        'functions/pay.mjs': PAY(version),
        'migrations/0001_visits.sql':
          'create table visits (id int generated always as identity, who text);',
        ...more,
      })
    const paid = async () => (await run(['invoke', 'pay'])).result?.payload

    it('deploys only when its secrets are set, which may be before', async () => {
      await write(1)
      const refused = await run(['deploy'])
      expect(refused).toMatchObject({ code: 1 })
      // Before its stack is made, where that is known in seconds.
      expect(refused.stderr).toMatch(
        /(?:not set on AWS: STRIPE_KEY|STRIPE_KEY.*not set on AWS).*moka secrets set STRIPE_KEY --to aws/,
      )
      expect(await run(['secrets', 'set', 'STRIPE_KEY'], 'first')).toMatchObject({
        ...{ code: 0, result: { name: 'STRIPE_KEY', isNew: true, functions: [] } },
      })
      const done = await run(['deploy'])
      expect(done.stderr).not.toMatch(/error:/)
      expect(done).toMatchObject({ code: 0, result: { migrated: ['0001_visits.sql'] } })
    }, 180_000)

    it('invokes functions, which use the database by IAM, from Python and from Node', async () => {
      expect((await run(['invoke', 'visits', '--payload', '{"who":"Ada"}'])).result).toMatchObject({
        ...{ kind: 'success', payload: { id: 1 } },
      })
      expect(await paid()).toEqual({ key: 'first', count: 1, version: 1 })
      expect(new Set(postgres.signedIn)).toEqual(new Set(['mokapot', 'app']))
    })

    it('shows an error with the end of the log, and the log', async () => {
      const failed = await run(['invoke', 'visits'])
      expect(failed).toMatchObject({
        code: 1,
        result: { payload: { errorMessage: 'nobody came' } },
      })
      expect(failed.stderr).toContain('visit by None')
      const { lines } = await run(['logs', 'visits'])
      expect(lines.filter(({ stream }) => stream === 'stdout').map(({ text }) => text)).toEqual([
        'visit by Ada',
        'visit by None',
      ])
    })

    it('gives a changed secret to what is live at once, and to what is rolled back to', async () => {
      expect((await run(['secrets', 'set', 'STRIPE_KEY'], 'second')).result).toMatchObject({
        ...{ isNew: false, functions: ['pay'] },
      })
      expect(await paid()).toEqual({ key: 'second', count: 1, version: 1 })
      await write(2)
      expect(await run(['deploy'])).toMatchObject({ code: 0, result: { release: 'r-2' } })
      await run(['secrets', 'set', 'STRIPE_KEY'], 'third')
      expect(await paid()).toEqual({ key: 'third', count: 1, version: 2 })
      expect(await run(['rollback'])).toMatchObject({ code: 0, result: { release: 'r-1' } })
      expect(await paid()).toEqual({ key: 'third', count: 1, version: 1 })
      const { result } = await run(['secrets', 'list'])
      expect(result.secrets).toMatchObject([{ name: 'STRIPE_KEY', functions: ['pay'] }])
      await run(['secrets', 'set', 'SPARE'], 'spare')
      expect(await run(['secrets', 'remove', 'SPARE'])).toMatchObject({ code: 0 })
      expect(await run(['secrets', 'remove', 'STRIPE_KEY'])).toMatchObject({ code: 1 })
      expect((await run(['secrets', 'list'])).result.secrets).toMatchObject([
        { name: 'STRIPE_KEY' },
      ])
    }, 180_000)

    it('runs SQL, migrates, and keeps a snapshot', async () => {
      const { result } = await run(['db', 'shell', '-c', 'select who from visits; select 1 as one'])
      expect(result.map(({ rows }: { rows: unknown }) => rows)).toEqual([[['Ada']], [['1']]])
      const wrong = await run(['db', 'shell'], 'select * from nowhere')
      expect(wrong).toMatchObject({ code: 1 })
      expect(wrong.stderr).toMatch(/relation .+nowhere.+ does not exist/)
      await write(2, { 'migrations/0002_more.sql': 'alter table visits add column at timestamptz' })
      expect((await run(['db', 'migrate'])).result).toMatchObject({ migrated: ['0002_more.sql'] })
      expect((await run(['db', 'migrate'])).result).toMatchObject({ migrated: [] })
      expect((await run(['db', 'backup'])).result).toMatchObject({
        snapshot: expect.stringMatching(/^mokapot-site-\d{8}-\d{6}$/),
      })
      const none = await run(['db', 'restore', 'x'])
      expect(none.stderr).toContain('RDS restores a snapshot as a new instance')
    })
  },
)
