import { createHash } from 'node:crypto'
import { unzipSync } from 'fflate'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type IamPostgres,
  startIamPostgres,
} from '../../../../../../test/support/aws/lambda/iam-postgres.ts'
import {
  LAMBDA_KEYS,
  type LambdaEnvironment,
  startLambda,
} from '../../../../../../test/support/aws/lambda/lambda-runner.ts'
import { connect } from '../../../../../database/client/connect.ts'
import { parseConnectionUrl } from '../../../../../database/client/connection-url.ts'
import type { Migration } from '../../../../../database/migrations/apply.ts'
import { findOnPath } from '../../../../../shared/tied-process.ts'
import { RDS_ROOT_PATH } from '../archive/aws-archive.ts'
import { databaseToken } from '../lambda/iam-token.ts'
import { IAM_VARIABLE } from '../lambda/sign-in.ts'
import { DatabaseFunction, databaseFunctionArchive } from './database-function.ts'

const REGION = 'eu-central-1'

function migration(name: string, sql: string): Migration {
  return { name, sql, sha256: createHash('sha256').update(sql).digest('hex') }
}

describe('the archive of the database function', () => {
  it('is the same bytes each time, and has the certificate only where RDS asks for it', async () => {
    const [first, second] = [
      await databaseFunctionArchive('rds', REGION),
      await databaseFunctionArchive('rds', REGION),
    ]
    expect(Buffer.compare(first, second)).toBe(0)
    expect(Object.keys(unzipSync(first)).sort()).toEqual(['index.mjs', 'mokapot-rds-root.pem'])
    expect(Object.keys(unzipSync(await databaseFunctionArchive('dsql', REGION)))).toEqual([
      'index.mjs',
    ])
  })
})

describe.skipIf(findOnPath('openssl') === undefined)(
  'the database function (needs openssl)',
  () => {
    let postgres: IamPostgres
    let environment: LambdaEnvironment
    let database: DatabaseFunction
    const requests: { action: string; migrations?: { name: string; sql?: string }[] }[] = []

    /** Lambda, as far as this asks it: the function is up to date, and invocations run its archive. */
    const client = {
      async send(command: { constructor: { name: string }; input: { Payload?: string } }) {
        if (command.constructor.name !== 'InvokeCommand') throw new Error('not asked for')
        const event = JSON.parse(String(command.input.Payload))
        requests.push(event)
        const { payload, isError } = await environment.invoke(event)
        return {
          Payload: Buffer.from(JSON.stringify(payload)),
          ...(isError ? { FunctionError: 'Unhandled' } : {}),
        }
      },
    } as unknown as ConstructorParameters<typeof DatabaseFunction>[0]

    beforeAll(async () => {
      postgres = await startIamPostgres(REGION)
      environment = await startLambda({
        runtime: 'node',
        handler: 'index.handler',
        archive: await databaseFunctionArchive('rds', REGION),
        files: { 'mokapot-rds-root.pem': postgres.root },
        environment: {
          DATABASE_URL: `postgres://mokapot@localhost:${postgres.port}/app?sslmode=verify-full&sslrootcert=${RDS_ROOT_PATH}`,
          [IAM_VARIABLE]: 'rds',
        },
      })
      database = new DatabaseFunction(client, 'site')
    })
    afterAll(async () => {
      await environment?.close()
      await postgres?.close()
    })

    it('makes the user of functions, who comes in by IAM and owns the database, and again nothing', async () => {
      for (const _ of [1, 2]) {
        expect(await environment.invoke({ action: 'prepare', roles: [] })).toMatchObject({
          payload: { ok: true },
        })
      }
      expect(
        await postgres.sql(`select pg_has_role('app', 'rds_iam', 'member') as signs, rolsuper as super,
          pg_get_userbyid(datdba) as owner from pg_roles, pg_database
          where rolname = 'app' and datname = 'app'`),
      ).toEqual([{ signs: true, super: false, owner: 'app' }])
    })

    it('applies migrations once and in order, as the user of functions, and sends no more SQL than it needs', async () => {
      const first = migration('0001_a.sql', 'create table guests (id int primary key, name text)')
      const second = migration('0002_b.sql', "insert into guests values (1, 'Ada'), (2, null)")
      expect(await database.migrate([first])).toEqual(['0001_a.sql'])
      expect(await database.migrate([second, first])).toEqual(['0002_b.sql'])
      requests.length = 0
      expect(await database.migrate([first, second])).toEqual([])
      expect(requests.flatMap(({ migrations = [] }) => migrations.map(({ sql }) => sql))).toEqual([
        undefined,
        undefined,
      ])
      expect(
        await postgres.sql(`select tableowner from pg_tables where tablename = 'guests'`),
      ).toEqual([{ tableowner: 'app' }])
      expect(
        await postgres.sql('select name, sha256 from mokapot.migrations order by name'),
      ).toEqual([first, second].map(({ name, sha256 }) => ({ name, sha256 })))
    })

    it('sends migrations in pieces that Lambda takes', async () => {
      const noise = (seed: number) => {
        const parts = Array.from({ length: 50_000 }, (_, index) =>
          createHash('sha256').update(`${seed} ${index}`).digest('base64'),
        )
        return `-- ${parts.join('')}\nselect ${seed}`
      }
      const large = [3, 4, 5].map(n => migration(`000${n}_large.sql`, noise(n)))
      requests.length = 0
      expect(await database.migrate(large)).toEqual(large.map(({ name }) => name))
      const sizes = requests.map(request => JSON.stringify(request).length)
      expect(sizes.length).toBe(3) // what is missing, then two pieces
      expect(Math.max(...sizes)).toBeLessThan(6 * 1024 * 1024)
    })

    it('makes databases of previews, which are migrated alone, and drops them while they are in use', async () => {
      await database.makePreview('preview-menu-1')
      await database.makePreview('preview-menu-1')
      await database.makePreview("preview-o'neil-2")
      const only = migration('0001_p.sql', 'create table only_here (id int)')
      expect(await database.migrate([only], 'preview-menu-1')).toEqual(['0001_p.sql'])
      expect(await database.migrate([only], 'preview-menu-1')).toEqual([])
      expect(
        await postgres.sql(`select to_regclass('only_here') as live,
          pg_get_userbyid(datdba) as owner from pg_database where datname = 'preview-menu-1'`),
      ).toEqual([{ live: null, owner: 'app' }])
      expect(await database.previews()).toEqual(['preview-menu-1', "preview-o'neil-2"])
      const user = await connect({
        ...parseConnectionUrl(
          `postgres://app@localhost:${postgres.port}/preview-menu-1?sslmode=require`,
        ),
        password: databaseToken({
          ...{ kind: 'rds', region: REGION, host: 'localhost', port: postgres.port, user: 'app' },
          ...{ keys: LAMBDA_KEYS, nowMs: Date.now() },
        }),
      })
      await database.dropPreviews(['preview-menu-1', 'app'])
      await expect(user.sql.unsafe('select 1')).rejects.toThrow()
      await user.close()
      expect(await database.previews()).toEqual(["preview-o'neil-2"])
      expect(await postgres.sql('select count(*)::int as count from guests')).toHaveLength(1)
      await database.dropPreviews(["preview-o'neil-2"])
    })

    it('refuses by the rules of home, and says so in the same words', async () => {
      await expect(
        database.migrate([migration('0001_a.sql', 'create table others (id int)')]),
      ).rejects.toMatchObject({ code: 'DATABASE_MIGRATION_CHANGED', hint: /restore the file/ })
      await expect(
        database.migrate([migration('0009_c.sql', 'select 1;\ncreate table guests (id int)')]),
      ).rejects.toMatchObject({
        code: 'DATABASE_MIGRATION_FAILED',
        message:
          'cannot apply migration "0009_c.sql": relation "guests" already exists (in the statement at line 2); nothing of it was applied',
      })
    })

    it('runs what a person typed, and shows values as PostgreSQL writes them', async () => {
      expect(
        await database.query(
          `select id, name, now() > 'yesterday' as late from guests order by id; update guests set name = 'Bob' where id = 2`,
        ),
      ).toEqual([
        {
          ...{ command: 'SELECT', count: 2, hidden: 0, columns: ['id', 'name', 'late'] },
          rows: [
            ['1', 'Ada', 't'],
            ['2', null, 't'],
          ],
        },
        { command: 'UPDATE', count: 1, columns: [], rows: [], hidden: 0 },
      ])
      const [many] = await database.query('select g from generate_series(1, 1500) g')
      expect(many).toMatchObject({ count: 1500, hidden: 500 })
      await expect(database.query('select * from nowhere')).rejects.toThrow(
        'relation "nowhere" does not exist',
      )
    })
  },
)
