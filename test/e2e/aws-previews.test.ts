import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sdk } from '../../src/deploy/targets/aws/sdk/sdk.ts'
import { databaseFunctionName, lambdaName } from '../../src/deploy/targets/aws/stack/names.ts'
import { findOnPath } from '../../src/shared/tied-process.ts'
import { awsEnv, mokaOnAws, outputOf } from '../support/aws/commands.ts'
import { type IamPostgres, startIamPostgres } from '../support/aws/lambda/iam-postgres.ts'
import { type Aws, noAws, startAws } from '../support/aws/start.ts'
import { startEdge, type TestEdge } from '../support/aws/test-edge.ts'
import { ask } from '../support/http.ts'
import { hasBuild, remove, spawnMoka, temporaryFolder, writeProject } from '../support/moka.ts'

const VISITS = `
import json
import mokapot

def handler(event, context):
    if event["requestContext"]["http"]["method"] == "POST":
        mokapot.query("insert into visits (who) values ($1)", event.get("body") or "nobody")
    rows = mokapot.query("select * from visits order by id")
    return {"statusCode": 200, "body": json.dumps(rows)}
`
const ECHO = (version: string) => `
export const handler = async event => ({
  statusCode: 200,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({
    version: '${version}', key: process.env.KEY,
    routeKey: event.routeKey, path: event.rawPath, proxy: event.pathParameters?.proxy,
    cookie: event.headers.cookie, authorization: event.headers.authorization,
    marks: Object.keys(event.headers).filter(name => name.startsWith('x-moka')),
  }),
})
`
const CONFIG = (more = '') => `export default {
  name: 'site',
  aws: { database: 'rds', region: 'eu-central-1' },
  functions: {
    visits: { entry: 'functions/visits.py', routes: ['/api/visits'] },
    echo: { entry: 'functions/echo.mjs', routes: ['/api/echo', '/api/echo/*'], secrets: ['KEY'] },
    ${more}
  },
}\n`

describe.skipIf(noAws !== undefined || !hasBuild() || findOnPath('openssl') === undefined)(
  'a preview on AWS with functions and a database',
  () => {
    let aws: Aws
    let edge: TestEdge
    let postgres: IamPostgres
    let folder: string

    beforeAll(async () => {
      ;[aws, postgres] = await Promise.all([startAws(), startIamPostgres()])
      edge = await startEdge(aws, 'site')
      folder = await temporaryFolder('aws-previews')
      const names = ['visits', 'echo', 'fresh'].map(name => lambdaName('site', name))
      aws.lambdas.standInForRds(postgres, [...names, databaseFunctionName('site')])
    }, 120_000)
    afterAll(async () => {
      await edge?.close()
      await aws?.close()
      await postgres?.close()
      await remove(folder)
    })

    async function run(args: string[], input?: string) {
      const done = await mokaOnAws({ aws, edge, folder }, args, input)
      return { code: done.code, stderr: done.stderr, result: outputOf(done) }
    }
    async function get(
      path: string,
      preview?: string,
      more: { method?: string; body?: string; headers?: Record<string, string> } = {},
    ) {
      const cookie = preview === undefined ? {} : { cookie: `moka-preview-name=${preview}; a=b` }
      const headers = { ...cookie, ...more.headers }
      const answer = await ask(edge.address, path, { ...more, headers })
      const body = answer.body.toString()
      const isJson = /^[[{]/.test(body)
      return {
        status: answer.status,
        headers: answer.headers,
        body: isJson ? JSON.parse(body) : body,
      }
    }
    const echo = async (preview?: string, path = '/api/echo') => (await get(path, preview)).body
    const visits = async (preview?: string) =>
      ((await get('/api/visits', preview)).body as { who: string }[]).map(({ who }) => who)
    const visit = (who: string, preview?: string) =>
      get('/api/visits', preview, { method: 'POST', body: who })
    const databases = async () =>
      (await postgres.sql(`select datname from pg_database where datname like 'preview-%'`)).map(
        ({ datname }) => String(datname),
      )
    async function aliases(name: string) {
      const { LambdaClient, ListAliasesCommand } = await sdk.lambda()
      const client = new LambdaClient({
        ...{ endpoint: aws.endpoint, region: 'eu-central-1' },
        credentials: { accessKeyId: 'AKIATEST', secretAccessKey: 'secret' },
      })
      const command = new ListAliasesCommand({ FunctionName: lambdaName('site', name) })
      const { Aliases = [] } = await client.send(command)
      return Aliases.map(({ Name = '' }) => Name).filter(each => each !== 'live')
    }
    async function write(version: string, config = CONFIG(), more: Record<string, string> = {}) {
      await rm(join(folder, 'migrations'), { recursive: true, force: true })
      await writeProject(folder, {
        'moka.config.ts': config,
        'dist/index.html': version,
        'functions/visits.py': VISITS,
        'functions/echo.mjs': ECHO(version),
        'migrations/0001_visits.sql':
          'create table visits (id int generated always as identity, who text);',
        ...more,
      })
    }
    const FRESH = CONFIG(`fresh: { entry: 'functions/fresh.mjs', routes: ['/api/fresh'] },`)
    const fresh = { 'functions/fresh.mjs': ECHO('fresh') }

    it('answers with its own functions and rows; live is as it was', async () => {
      await write('one')
      await run(['secrets', 'set', 'KEY'], 'hidden')
      expect(await run(['deploy'])).toMatchObject({ code: 0 })
      await visit('Ada')
      expect(await visits()).toEqual(['Ada'])
      await write('two', FRESH, {
        ...fresh,
        'migrations/0002_seed.sql': `insert into visits (who) values ('seed');`,
      })
      const done = await run(['deploy', '--preview', 'menu'])
      expect(done).toMatchObject({
        ...{ code: 0, stderr: expect.not.stringMatching(/error:/) },
        result: {
          ...{ preview: 'menu', database: 'empty' },
          migrated: ['0001_visits.sql', '0002_seed.sql'],
        },
      })
      expect(await echo('menu')).toMatchObject({ version: 'two', key: 'hidden' })
      expect((await get('/api/fresh', 'menu')).body.version).toBe('fresh')
      await visit('Bob', 'menu')
      expect([await visits('menu'), await visits()]).toEqual([['seed', 'Bob'], ['Ada']])
      expect(await echo()).toMatchObject({ version: 'one', key: 'hidden' })
      // What stands for a function that has no release yet.
      expect((await get('/api/fresh')).status).toBeGreaterThanOrEqual(500)
    }, 240_000)

    it('hands its functions a request as the live ones get it', async () => {
      const live = await echo(undefined, '/api/echo/a/b?x=1')
      expect(live).toMatchObject({ routeKey: 'ANY /api/echo/{proxy+}', proxy: 'a/b', marks: [] })
      const { version: _, ...seen } = await echo('menu', '/api/echo/a/b?x=1')
      expect(seen).toEqual({ ...live, version: undefined, cookie: 'a=b' })
      expect((await get('/api/echo', 'menu')).headers).toMatchObject({ 'x-robots-tag': 'noindex' })
      expect((await get('/api/echo')).headers).not.toHaveProperty('x-robots-tag')
    })

    it('is not disturbed by what is deployed beside it, nor disturbs it', async () => {
      await write('three')
      expect(await run(['deploy'])).toMatchObject({ code: 0 })
      expect(await echo()).toMatchObject({ version: 'three' })
      expect(await echo('menu')).toMatchObject({ version: 'two' })
      expect((await get('/api/fresh', 'menu')).body.version).toBe('fresh')
      await write('other')
      expect(await run(['deploy', '--preview', 'other'])).toMatchObject({ code: 0 })
      expect([await echo('other'), await echo('menu'), await echo()]).toMatchObject([
        ...[{ version: 'other' }, { version: 'two' }, { version: 'three' }],
      ])
      expect([await visits('other'), await visits('menu')]).toEqual([[], ['seed', 'Bob']])
      expect((await get('/api/fresh', 'other')).status).toBe(404)
    }, 240_000)

    it('keeps its rows where its migrations go on, and begins anew where one is rewritten', async () => {
      await visit('Eve', 'other')
      await write('other again', CONFIG(), {
        'migrations/0002_more.sql': 'alter table visits add column at int;',
      })
      const done = await run(['deploy', '--preview', 'other'])
      expect(done.result).toMatchObject({ migrated: ['0002_more.sql'] })
      expect([(await echo('other')).version, await visits('other')]).toEqual([
        ...['other again', ['Eve']],
      ])
      await write('other anew', CONFIG(), {
        'migrations/0002_more.sql': 'alter table visits add column day int;',
      })
      expect((await run(['deploy', '--preview', 'other'])).result.migrated).toHaveLength(2)
      expect(await visits('other')).toEqual([])
    }, 240_000)

    it('guards its functions by its password, which they never see', async () => {
      await write('locked')
      const done = await run(['deploy', '--preview', 'locked', '--password', 'open up'])
      expect(done).toMatchObject({ code: 0 })
      expect(await get('/api/echo', 'locked')).toMatchObject({
        ...{ status: 401, headers: { 'www-authenticate': expect.stringContaining('Basic') } },
      })
      const authorization = `Basic ${Buffer.from('x:open up').toString('base64')}`
      const entered = await get('/api/echo', 'locked', { headers: { authorization } })
      expect(entered.body).toMatchObject({ version: 'locked' })
      expect(entered.body).not.toHaveProperty('authorization')
      const wrong = `Basic ${Buffer.from('x:open').toString('base64')}`
      const refused = await get('/api/echo', 'locked', { headers: { authorization: wrong } })
      expect(refused.status).toBe(401)
    }, 240_000)

    it('takes no path from the live site that is a file there', async () => {
      const routed = CONFIG(`fresh: { entry: 'functions/fresh.mjs', routes: ['/', '/api/fresh'] },`)
      await write('routed', routed, fresh)
      const done = await run(['deploy', '--preview', 'other'])
      expect(done).toMatchObject({ code: 0 })
      expect(done.stderr).toMatch(/\/ leads to files in the preview, and not to function "fresh"/)
      expect([(await get('/')).body, (await get('/', 'other')).body]).toEqual(['three', 'routed'])
      expect((await get('/api/fresh', 'other')).body.version).toBe('fresh')
    })

    it('is gone on with after kill -9, and leaves nothing', async () => {
      const held = aws.faults.hold('cloudfront-keyvaluestore:UpdateKeys')
      await write('killed')
      const killed = spawnMoka(['deploy', '--to', 'aws', '--preview', 'menu'], {
        ...{ cwd: folder, env: awsEnv({ aws, edge }) },
      })
      const ended = new Promise(resolve => killed.once('exit', resolve))
      await held.reached
      killed.kill('SIGKILL')
      await ended
      held.release()
      aws.faults.clear()
      expect(await run(['deploy', '--preview', 'menu'])).toMatchObject({ code: 0 })
      expect(await echo('menu')).toMatchObject({ version: 'killed' })
      for (const name of ['menu', 'other', 'locked']) {
        expect(await run(['previews', 'remove', name])).toMatchObject({ code: 0 })
      }
      expect(await run(['previews'])).toMatchObject({ code: 0, result: [] })
      expect([await aliases('echo'), await aliases('visits'), await databases()]).toEqual([
        ...[[], [], []],
      ])
      expect((await get('/api/echo', 'menu')).status).toBe(404)
      expect([(await echo()).version, await visits()]).toEqual(['three', ['Ada']])
    }, 240_000)

    it('refuses a copy of the live database, and says what there is', async () => {
      const { code, stderr } = await run(['deploy', '--preview', 'copied', '--database', 'copy'])
      expect(code).toBe(1)
      expect(stderr).toMatch(/--database copy: RDS copies no database.*leave --database out/)
    })
  },
)
