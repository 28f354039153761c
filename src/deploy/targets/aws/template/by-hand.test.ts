import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Aws, noAws, startAws } from '../../../../../test/support/aws/start.ts'
import { templateProjects } from '../../../../../test/support/aws/templates/projects.ts'
import { systemClock } from '../../../../shared/clock.ts'
import { provision } from '../stack/provision.ts'
import { createCommand } from './by-hand.ts'
import { formatTemplate } from './format.ts'
import { domainTemplate, siteTemplate } from './template.ts'

const run = promisify(execFile)
const projects = templateProjects()

describe('the command for who goes on by hand', () => {
  it('names what the template needs', () => {
    const command = (name: string, kind: 'site' | 'domain') => {
      const project = projects.get(name)!
      const template = kind === 'site' ? siteTemplate(project) : domainTemplate(project)!
      return createCommand(project, kind, template, `out dir/${kind}.json`)
    }
    expect(command('static-eu', 'site')).toBe(
      "aws cloudformation deploy --region eu-central-1 --stack-name mokapot-site --template-file 'out dir/site.json'",
    )
    expect(command('everything', 'domain')).toBe(
      "aws cloudformation deploy --region us-east-1 --stack-name mokapotdomain-site --template-file 'out dir/domain.json'",
    )
    expect(command('everything', 'site')).toMatch(
      /--capabilities CAPABILITY_NAMED_IAM --s3-bucket \S+ --parameter-overrides HostedZoneId=… CertificateArn=…$/,
    )
  })
})

describe.skipIf(noAws !== undefined)(
  `the command, run ${noAws === undefined ? '' : `(skipped: ${noAws})`}`,
  () => {
    let aws: Aws
    let directory: string
    beforeAll(async () => {
      aws = await startAws('us-east-1')
      directory = mkdtempSync(join(tmpdir(), 'moka-by-hand-'))
    })
    afterAll(async () => {
      await aws?.close()
      if (directory !== undefined) rmSync(directory, { recursive: true })
    })

    const awsCli = async (...args: string[]) => {
      const { stdout } = await run('aws', args, { env: environment() })
      return stdout
    }
    const shell = (command: string) => run('sh', ['-c', command], { env: environment() })
    // The first version of the program knows the region by this name alone.
    const environment = () => ({
      ...process.env,
      ...aws.env,
      AWS_DEFAULT_REGION: aws.env.AWS_REGION,
    })

    it('makes both stacks with the program of AWS', async () => {
      const project = projects.get('domain')!
      const templates = { domain: domainTemplate(project)!, site: siteTemplate(project) }
      for (const [kind, template] of Object.entries(templates)) {
        writeFileSync(join(directory, `${kind}.json`), formatTemplate(template))
      }
      const command = (kind: 'site' | 'domain') =>
        createCommand(project, kind, templates[kind], join(directory, `${kind}.json`))
      const outputs = await make(command('domain'), 'mokapotdomain-site')
      expect(outputs.NameServers).toContain(',')
      const parameters = command('site')
        .replace('HostedZoneId=…', `HostedZoneId=${outputs.HostedZoneId}`)
        .replace('CertificateArn=…', `CertificateArn=${outputs.CertificateArn}`)
      expect(await make(parameters, 'mokapot-site')).toMatchObject({
        BucketName: expect.any(String),
        DistributionId: expect.any(String),
        KeyValueStoreArn: expect.stringContaining(':key-value-store/'),
      })
    }, 120_000)

    it('is of templates that come up with every option at once', async () => {
      const project = { ...projects.get('everything')!, name: 'everything' }
      const before = { ...process.env }
      Object.assign(process.env, aws.env)
      try {
        const who = { user: 'you', host: 'here' }
        const { outputs } = await provision(project, { clock: systemClock, who })
        expect(Object.keys(outputs)).toEqual(
          expect.arrayContaining(['ApiEndpoint', 'BucketName', 'DatabaseHost', 'DeployRoleArn']),
        )
      } finally {
        process.env = before
      }
    }, 120_000)

    /** The change set is executed here: the program would look only every 30 s whether it is done. */
    async function make(command: string, stack: string): Promise<Record<string, string>> {
      const { stdout } = await shell(`${command} --no-execute-changeset`)
      const [arn] = /arn:aws:cloudformation:\S+/.exec(stdout) ?? []
      const named = ['--stack-name', stack, '--change-set-name', arn!]
      await awsCli('cloudformation', 'execute-change-set', ...named)
      for (let tries = 0; tries < 40; tries++) {
        const text = await awsCli('cloudformation', 'describe-stacks', '--stack-name', stack)
        const [described] = JSON.parse(text).Stacks as [Described]
        if (/IN_PROGRESS$/.test(described.StackStatus)) continue
        expect(described.StackStatus, described.StackStatusReason).toBe('CREATE_COMPLETE')
        return Object.fromEntries(
          described.Outputs.map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue]),
        )
      }
      throw new Error(`stack "${stack}" is not complete after 40 looks at it`)
    }
  },
)

interface Described {
  StackStatus: string
  StackStatusReason?: string
  Outputs: { OutputKey: string; OutputValue: string }[]
}
