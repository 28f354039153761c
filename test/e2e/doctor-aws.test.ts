import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Aws, noAws, startAws } from '../support/aws/start.ts'
import { moka, remove, temporaryFolder, writeProject } from '../support/moka.ts'

/** Of a command that has to be done within 5 s: the machine of a test may be busy with others. */
const BOUND_MS = 30_000

interface Result {
  target: string
  project: string
  problems: number
  findings: { check: string; level: string; what: string; fix?: string }[]
}

let folder: string
beforeEach(async () => {
  folder = await temporaryFolder('doctor')
  await writeProject(folder, {
    'moka.config.ts': `export default { name: 'site' }\n`,
    'dist/index.html': '<h1>Hello</h1>',
  })
})
afterEach(() => remove(folder))

/** A busy machine is no reason to fail, where it is not the time that counts. */
const PATIENT = ['--timeout', '60']

async function doctor(
  env: Record<string, string>,
  args = PATIENT,
): Promise<Result & { code: number }> {
  const { code, stdout, stderr } = await moka(['doctor', '--to', 'aws', '--json', ...args], {
    cwd: folder,
    env: { AWS_EC2_METADATA_DISABLED: 'true', AWS_CONFIG_FILE: '/dev/null', ...env },
  })
  expect(stderr).toBe('')
  return { ...(JSON.parse(stdout) as Result), code }
}

describe('moka doctor --to aws, without an AWS that answers', () => {
  const keys = { AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'secret' }
  let silent: Server
  beforeAll(async () => {
    silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
  })
  afterAll(() => silent.close())

  it('says how to get credentials where there are none, and that a deploy is stopped', async () => {
    const { code, problems, findings } = await doctor({
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      AWS_ACCESS_KEY_ID: '',
      AWS_PROFILE: '',
    })
    expect([code, problems]).toEqual([1, 1])
    expect(findings.find(({ check }) => check === 'credentials')).toMatchObject({
      level: 'problem',
      what: expect.stringMatching(/^no AWS credentials were found/),
      fix: expect.stringContaining('aws sso login'),
    })
  })

  it('ends in time where nothing answers, and tells that once', async () => {
    const { port } = silent.address() as AddressInfo
    const startMs = performance.now()
    const { code, findings } = await doctor(
      {
        ...keys,
        AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
      },
      [],
    )
    expect(performance.now() - startMs).toBeLessThan(BOUND_MS)
    expect(code).toBe(1)
    expect(findings.filter(({ what }) => /^no answer within/.test(what))).toHaveLength(1)
    expect(findings.find(({ check }) => check === 'not checked')?.what).toMatch(
      /^not known without AWS: region, clock, stacks, permissions, /,
    )
  })

  it('ends at once where nothing listens', async () => {
    const { code, findings } = await doctor({ ...keys, AWS_ENDPOINT_URL: 'http://127.0.0.1:1' })
    expect(code).toBe(1)
    expect(findings.find(({ check }) => check === 'credentials')).toMatchObject({
      what: 'AWS cannot be reached at "http://127.0.0.1:1" (ECONNREFUSED)',
    })
  })
})

describe.skipIf(noAws !== undefined)(
  `moka doctor --to aws ${noAws === undefined ? '' : `(skipped: ${noAws})`}`,
  () => {
    let aws: Aws
    beforeAll(async () => {
      aws = await startAws()
    })
    afterAll(() => aws.close())

    it('exits 0 where nothing stops a deploy', async () => {
      const { code, problems, target, project } = await doctor(aws.env)
      expect({ code, problems, target, project }).toEqual({
        ...{ code: 0, problems: 0 },
        ...{ target: 'aws', project: 'site' },
      })
    })

    it('prints what is well first and what stops a deploy last, with what mends it', async () => {
      aws.account.policy = {
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', NotAction: 's3:CreateBucket', Resource: '*' }],
      }
      const { code, stdout } = await moka(['doctor', '--to', 'aws', ...PATIENT], {
        cwd: folder,
        env: aws.env,
      })
      aws.account.policy = undefined
      const lines = stdout.trimEnd().split('\n')
      expect(code).toBe(1)
      expect(lines[0]).toMatch(/^ok {7}AWS SDK {6}\d+ packages/)
      expect(stdout).toMatch(/^problem {2}permissions {2}1 of \d+ .*s3:CreateBucket$/m)
      expect(stdout).toMatch(
        /try: add to its policy: \{"Effect":"Allow","Action":\["s3:CreateBucket"\]/,
      )
      expect(lines.at(-1)).toMatch(/^\d+ findings: \d+ ok, 0 notes, 1 problem \(\d.*s\)$/)
    })
  },
)
