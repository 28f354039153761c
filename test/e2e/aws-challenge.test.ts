import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Score } from '../../src/deploy/challenge/challenge.ts'
import { databaseFunctionName, lambdaName } from '../../src/deploy/targets/aws/stack/names.ts'
import { findOnPath } from '../../src/shared/tied-process.ts'
import { mokaOnAws } from '../support/aws/commands.ts'
import { type IamPostgres, startIamPostgres } from '../support/aws/lambda/iam-postgres.ts'
import { type Aws, noAws, startAws } from '../support/aws/start.ts'
import { startEdge, type TestEdge } from '../support/aws/test-edge.ts'
import { type AwsWorld, openAwsWorld } from '../support/aws/world/world.ts'
import { createRepository, git } from '../support/git.ts'
import { copyPortfolio, hasBuild, ROOT, remove, temporaryFolder } from '../support/moka.ts'

// The example, deployed to AWS as the guide has it, and scored as a visitor and a reader of its
// repository would: `moka crc --to aws` in a process of its own.
//
// What the account on loopback cannot show, and a real one would:
//  4  that CloudFront answers: it says so in x-amz-cf-pop. Here x-moka-release does, by the viewer function.
//  5  that ACM issued the certificate: here an authority of the test did, which the command trusts.
//  6  that a registrar delegates the domain: here the name server of the test has the alias records that
//     the deploy has made in Route 53, and the command asks it alone.
//  8  that RDS keeps the count: here a PostgreSQL behind a door that wants RDS's TLS and tokens does.
// 14, 15  that the workflow runs: it is read, here as there.

const NAME = 'portfolio'
const DOMAIN = 'portfolio.example'
const VISITS = lambdaName(NAME, 'visits')

const noPython = findOnPath('python3') === undefined || findOnPath('openssl') === undefined

describe.skipIf(noAws !== undefined || !hasBuild() || noPython)('moka crc --to aws', () => {
  let aws: Aws
  let edge: TestEdge
  let postgres: IamPostgres
  let world: AwsWorld | undefined
  let folder: string
  let authority: string

  beforeAll(async () => {
    ;[aws, postgres] = await Promise.all([startAws(), startIamPostgres()])
    edge = await startEdge(aws, NAME)
    folder = await temporaryFolder('aws-challenge')
    authority = await temporaryFolder('authority')
    aws.lambdas.standInForRds(postgres, [VISITS, databaseFunctionName(NAME)])
    await copyPortfolio(folder)
    const config = await readFile(join(folder, 'moka.config.ts'), 'utf8')
    const onAws = "  aws: { region: 'eu-central-1', database: 'rds' },\n})\n"
    await writeFile(join(folder, 'moka.config.ts'), config.replace(/\}\)\s*$/, onAws))
    await mkdir(join(folder, '.github/workflows'), { recursive: true })
    await writeFile(join(folder, '.github/workflows/deploy.yml'), await workflowOfGuide())
  }, 120_000)
  afterAll(async () => {
    await world?.close()
    await edge?.close()
    await aws?.close()
    await postgres?.close()
    await Promise.all([folder, authority].map(remove))
  })

  async function run(...args: string[]) {
    const { code, stdout, stderr } = await mokaOnAws({ aws, edge, folder, env: world?.env }, args)
    expect(code, stderr).toBe(0)
    return JSON.parse(stdout)
  }
  async function score() {
    const { done, of, steps } = (await run('crc')) as Score
    return { done, of, steps: new Map(steps.map(({ number, outcome }) => [number, outcome])) }
  }

  it('finds what the folder alone shows before there is anything on AWS', async () => {
    const before = await score()
    const shown = [...before.steps].filter(([, { kind }]) => kind === 'done').map(([step]) => step)
    expect(shown).toEqual([11, 12, 14, 15])
  })

  it('shows all steps of the example, deployed from its repository, with evidence for each', async () => {
    await createRepository(folder, 'https://github.com/you/portfolio.git')
    await git(folder, 'add', '.')
    await git(folder, 'commit', '-m', 'The résumé')
    const { release } = await run('deploy', '--test')
    world = await openAwsWorld(aws, edge, { domain: DOMAIN, directory: authority })
    const { done, of, steps } = await score()
    const evidence = Object.fromEntries(
      [...steps].map(([step, outcome]) => [
        step,
        'evidence' in outcome ? outcome.evidence : outcome,
      ]),
    )
    expect(evidence).toEqual({
      2: expect.stringMatching(/^GET \/ → 200, text\/html.*, ".+"$/),
      3: expect.stringMatching(/^GET \/css\/.+\.css.* → 200, text\/css/),
      4: `GET / → 200, at https://${DOMAIN}, of release ${release}`,
      5: expect.stringMatching(
        `^TLSv1.3 with a certificate for ${DOMAIN} by ".+", publicly trusted$`,
      ),
      6: `${DOMAIN} A 127.0.0.1, says the name server of this machine`,
      7: expect.stringMatching(/^\/js\/.+\.js.* asks POST \/api\/visits$/),
      8: 'POST /api/visits twice: 1, then 2, kept in PostgreSQL on RDS',
      9: 'POST /api/visits → 200, {"count": 1}, by function "visits"',
      10: 'functions/visits.py answers POST /api/visits → 200',
      11: expect.stringMatching(/^tests\/test_visits\.py, \d+ tests; /),
      12: expect.stringMatching(
        /a database, the zone of portfolio\.example.*template of \d+ resources/,
      ),
      13: expect.stringMatching(
        /^commit \w+ "The résumé", with remote .+ at https:\/\/github\.com/,
      ),
      14: expect.stringMatching(
        /^\.github\/workflows\/deploy\.yml:\d+ runs .+--to aws --test.+unittest/,
      ),
      15: expect.stringMatching(/^\.github\/workflows\/deploy\.yml:\d+ runs .+; a release takes/),
    })
    expect([done, of]).toEqual([14, 14])
    expect(await postgres.sql('select count from visits')).toEqual([{ count: '2' }])
  }, 240_000)
})

/** The workflow that docs/guides/aws.md tells to write. */
async function workflowOfGuide(): Promise<string> {
  const guide = await readFile(join(ROOT, 'docs/guides/aws.md'), 'utf8')
  const found = [...guide.matchAll(/```yaml\n([\s\S]*?)```/g)].find(([, text]) =>
    text?.includes('moka deploy --to aws'),
  )
  if (found?.[1] === undefined) throw new Error('docs/guides/aws.md has no workflow')
  return found[1]
}
