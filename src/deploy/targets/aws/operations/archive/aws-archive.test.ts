import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { strToU8, unzipSync, zipSync } from 'fflate'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  type IamPostgres,
  startIamPostgres,
} from '../../../../../../test/support/aws/lambda/iam-postgres.ts'
import {
  type LambdaEnvironment,
  startLambda,
} from '../../../../../../test/support/aws/lambda/lambda-runner.ts'
import type { ProjectFunction } from '../../../../../config/project.ts'
import { findOnPath } from '../../../../../shared/tied-process.ts'
import { packageFunction } from '../../../../functions/package-function.ts'
import { IAM_VARIABLE } from '../lambda/sign-in.ts'
import { awsArchive, RDS_ROOT_PATH } from './aws-archive.ts'

const REGION = 'eu-central-1'
const RDS = { region: REGION, database: 'rds' } as const
const NONE = { region: REGION, database: 'none' } as const
const directories: string[] = []
const running: LambdaEnvironment[] = []

/** As a release has it. */
async function released(file: string, source: string) {
  const root = await mkdtemp(join(tmpdir(), 'function-'))
  directories.push(root)
  await writeFile(join(root, file), source)
  const runtime = file.endsWith('.py') ? 'python' : 'node'
  const definition = { name: 'visits', runtime, entry: join(root, file), handler: 'handler' }
  const packaged = await packageFunction(definition as ProjectFunction, root)
  return { ...packaged, name: 'visits', runtime } as const
}

async function onLambda(
  file: string,
  source: string,
  postgres: IamPostgres | undefined,
  user = 'app',
): Promise<LambdaEnvironment> {
  const own = await released(file, source)
  const { archive, handler } = await awsArchive(own.archive, own, postgres ? RDS : NONE)
  const url =
    postgres &&
    `postgres://${user}@localhost:${postgres.port}/app?sslmode=verify-full&sslrootcert=${RDS_ROOT_PATH}`
  const environment = await startLambda({
    ...{ runtime: own.runtime, handler, archive },
    ...(url === undefined || postgres === undefined
      ? {}
      : {
          environment: { DATABASE_URL: url, [IAM_VARIABLE]: 'rds' },
          files: { 'mokapot-rds-root.pem': postgres.root },
        }),
  })
  running.push(environment)
  return environment
}

afterEach(async () => {
  await Promise.all(running.splice(0).map(environment => environment.close()))
  for (const path of directories.splice(0)) await rm(path, { recursive: true })
})

describe('an archive for Lambda', () => {
  it('is the same bytes for the same function', async () => {
    const own = await released('visits.py', 'def handler(event, context):\n    return 1\n')
    const [first, second] = [
      await awsArchive(own.archive, own, RDS),
      await awsArchive(own.archive, own, RDS),
    ]
    expect(Buffer.compare(first.archive, second.archive)).toBe(0)
    expect(first.sha256).toBe(second.sha256)
  })

  it('has the region’s certificate of RDS, and none where there is no RDS', async () => {
    const own = await released('visits.mjs', 'export const handler = async () => 1')
    const files = unzipSync((await awsArchive(own.archive, own, RDS)).archive)
    expect(String(Buffer.from(files['mokapot-rds-root.pem']!))).toMatch(/^-----BEGIN CERT/)
    expect(unzipSync((await awsArchive(own.archive, own, NONE)).archive)).not.toHaveProperty(
      'mokapot-rds-root.pem',
    )
    await expect(
      awsArchive(own.archive, own, { region: 'nowhere-1', database: 'rds' }),
    ).rejects.toThrow(/region "nowhere-1"/)
  })

  it('warns of modules that were compiled for another machine or Python', async () => {
    const elf = (machine: number) => {
      const bytes = new Uint8Array(64)
      bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
      bytes[18] = machine
      return bytes
    }
    const pack = (name: string, bytes: Uint8Array) =>
      zipSync({ 'visits.py': strToU8('def handler(e, c): pass'), [name]: bytes })
    const own = { name: 'visits', runtime: 'python', handler: 'visits.handler' } as const
    const warnings = async (name: string, bytes: Uint8Array) =>
      (await awsArchive(pack(name, bytes), own, NONE)).warnings.join()
    expect(await warnings('x/_speedups.cpython-313-x86_64-linux-gnu.so', elf(62))).toMatch(
      /cannot import "x\/_speedups.*is for Linux on x86-64.*--platform manylinux2014_aarch64/,
    )
    expect(await warnings('x/_a.cpython-311-aarch64-linux-gnu.so', elf(183))).toMatch(
      /Python 3\.11/,
    )
    expect(await warnings('x/_a.cpython-313-aarch64-linux-gnu.so', elf(183))).toBe('')
    expect(await warnings('x/_a.abi3.so', elf(183))).toBe('')
    expect(
      await warnings('x/_a.so', Uint8Array.from([0xcf, 0xfa, 0xed, 0xfe, ...Array(20)])),
    ).toMatch(/macOS/)
  })

  it('runs handlers as they are: ES modules, CommonJS, and those with a callback', async () => {
    const sources = {
      'a.mjs': 'export const handler = async event => ({ got: event.x })',
      'a.cjs': 'exports.handler = async event => ({ got: event.x })',
      'b.cjs':
        'exports.handler = (event, context, done) => setTimeout(done, 1, null, { got: event.x })',
      'a.py': 'def handler(event, context):\n    return {"got": event["x"]}\n',
    }
    for (const [file, source] of Object.entries(sources)) {
      const environment = await onLambda(file, source, undefined)
      expect(await environment.invoke({ x: 7 })).toMatchObject({
        payload: { got: 7 },
        isError: false,
      })
    }
  })

  it('fails with the function’s own words', async () => {
    const environment = await onLambda(
      'b.cjs',
      'exports.handler = (event, context, done) => done(new TypeError("no such guest"))',
      undefined,
    )
    expect(await environment.invoke({})).toMatchObject({
      isError: true,
      payload: { errorType: 'TypeError', errorMessage: 'no such guest' },
    })
  })

  it('lets Python functions import mokapot, as at home', async () => {
    const source = 'import mokapot\n\ndef handler(event, context):\n    return mokapot.__name__\n'
    const environment = await onLambda('a.py', source, undefined)
    expect((await environment.invoke({})).payload).toBe('mokapot')
  })
})

describe.skipIf(findOnPath('openssl') === undefined)(
  'a function with a database that asks for tokens of IAM (needs openssl)',
  () => {
    let postgres: IamPostgres
    beforeAll(async () => {
      postgres = await startIamPostgres(REGION)
      await postgres.sql('create role app login')
      await postgres.sql('create table visits (n int not null); insert into visits values (0)')
      await postgres.sql('alter table visits owner to app')
    })
    afterAll(() => postgres?.close())

    const NODE = `
      import postgres from 'postgres'
      const sql = postgres(process.env.DATABASE_URL, { max: 1 })
      const visit = () => sql\`update visits set n = n + 1 returning n, current_user as who\`
      // The driver may learn only by writing that a connection is gone.
      const isGone = error => error.code === 'CONNECTION_CLOSED'
      export const handler = async () => {
        const [row] = await visit().catch(error => (isGone(error) ? visit() : Promise.reject(error)))
        return row
      }`
    const PYTHON = `
import mokapot

def handler(event, context):
    return mokapot.query("update visits set n = n + 1 returning n, current_user::text as who")[0]
`

    it.each([
      ['Node by the driver postgres', 'visits.mjs', NODE],
      ['Python by mokapot', 'visits.py', PYTHON],
    ])(
      'uses it from %s with DATABASE_URL unchanged, and again when the connection is lost',
      async (_, file, source) => {
        const environment = await onLambda(file, source, postgres)
        const first = await environment.invoke({})
        expect(first).toMatchObject({ isError: false, payload: { who: 'app' } })
        const { n } = first.payload as { n: number }
        expect((await environment.invoke({})).payload).toMatchObject({ n: n + 1 })
        const before = postgres.signedIn.length
        postgres.disconnect()
        expect((await environment.invoke({})).payload).toMatchObject({ n: n + 2 })
        expect(postgres.signedIn.length).toBe(before + 1)
      },
    )

    it('gives any Python driver a URL with a token, made anew for each invocation', async () => {
      const source = `
import os, time
from urllib.parse import unquote, urlsplit

at_load = os.environ["DATABASE_URL"]

def handler(event, context):
    url = urlsplit(os.environ["DATABASE_URL"])
    return {"user": url.username, "token": unquote(url.password), "loaded": "X-Amz-Signature" in at_load}
`
      const environment = await onLambda('visits.py', source, postgres)
      const { payload } = await environment.invoke({})
      expect(payload).toMatchObject({ user: 'app', loaded: true })
      expect((payload as { token: string }).token).toContain(
        `localhost:${postgres.port}/?Action=connect`,
      )
    })

    it('tells the driver why the database cannot be reached', async () => {
      const environment = await onLambda('visits.mjs', NODE, {
        ...postgres,
        port: 1,
      } as IamPostgres)
      const { payload, isError } = await environment.invoke({})
      expect(isError).toBe(true)
      expect(JSON.stringify(payload)).toMatch(/cannot connect to database.*connection refused/)
    })

    it('is refused where the certificate is another’s', async () => {
      const environment = await onLambda('visits.mjs', NODE, {
        ...postgres,
        root: '',
      } as IamPostgres)
      expect(JSON.stringify((await environment.invoke({})).payload)).toMatch(
        /self-signed certificate/,
      )
    })

    it('is refused as a user that the database does not know', async () => {
      const environment = await onLambda('visits.mjs', NODE, postgres, 'nobody')
      expect(JSON.stringify((await environment.invoke({})).payload)).toMatch(
        /nobody.*does not exist/,
      )
    })
  },
)
