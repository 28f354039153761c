import { describe, expect, it } from 'vitest'
import { ACCOUNT } from '../../../../../test/support/aws/account.ts'
import { parseTemplate, resolve } from '../../../../../test/support/aws/cloudformation/template.ts'
import { iamRoles } from '../../../../../test/support/aws/iam.ts'
import type { Project } from '../../../../config/project.ts'
import {
  domainStackName,
  GLOBAL_REGION,
  lambdaPrefix,
  secretParameter,
  siteStackName,
} from '../stack/names.ts'
import { formatTemplate } from './format.ts'
import { sampleProject } from './sample.contract.ts'
import { domainTemplate, siteTemplate } from './template.ts'

// Many projects share an account: what one of them is called must be no other's, whatever they are called.

const HERE = 'eu-central-1'
const KEY = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEmpykKmEyXfOz35/ZLJIdfIDel6hn
m6DpqtSwfj6aMGImyxC9AKFxue48R4jSqWjB9MTtAiD+AKvvbXd2zD6DJw==
-----END PUBLIC KEY-----
`

const project = (name: string, region = HERE): Project =>
  sampleProject({
    ...{ name, domain: `${name}.example` },
    edge: {
      ...{ redirects: [], headers: [], origins: {}, signingKeys: { 'key-1': KEY } },
      behaviors: [{ pattern: '/in/*', origin: 'site', signedBy: ['key-1'] }],
    } as unknown as Project['edge'],
    aws: {
      ...{ region, functionUrls: ['render'], budget: { monthlyUsd: 5, email: 'a@b.example' } },
      github: { owner: 'ada', repository: 'site', branch: 'main' },
    },
  })

/** Types whose names may be there twice: for people, or of something within another thing. */
const NAMED_WITHIN =
  /^AWS::(?:ApiGatewayV2::Api|Route53::\w+|EC2::\w+|Lambda::(?:Alias|Permission|Url|Version))$/
/** What CloudFront, Lambda, IAM and the rest know a thing by. */
const NAMES = /^(?:Name|FunctionName|LogGroupName|RoleName|CallerReference|BudgetName|BucketName)$/

/** With the type, and the region where a name holds in one region alone. */
function namesOf(given: Project): string[] {
  const names: string[] = [
    `stack ${siteStackName(given.name)} ${given.aws.region}`,
    `stack ${domainStackName(given.name)} ${GLOBAL_REGION}`,
    `parameter ${secretParameter(given.name, 'KEY')} ${given.aws.region}`,
  ]
  const stacks = [
    { template: siteTemplate(given), region: given.aws.region, stack: siteStackName(given.name) },
    {
      template: domainTemplate(given)!,
      region: GLOBAL_REGION,
      stack: domainStackName(given.name),
    },
  ]
  for (const { template, region, stack } of stacks) {
    const parsed = parseTemplate(formatTemplate(template))
    const scope = {
      ...{ stackName: stack, stackId: stack, region, template: parsed, parameters: new Map() },
      made: (id: string) => ({ id: `${stack} ${id}`, attributes: {} }),
    }
    for (const [, { Type, Properties = {} }] of Object.entries(parsed.Resources)) {
      if (NAMED_WITHIN.test(Type)) continue
      const place = Type.startsWith('AWS::CloudFront::') ? '' : ` ${region}`
      const collect = (value: unknown): void => {
        if (typeof value !== 'object' || value === null) return
        for (const [key, inner] of Object.entries(value)) {
          if (NAMES.test(key)) names.push(`${Type} ${key} ${resolve(inner, scope)}${place}`)
          else collect(inner)
        }
      }
      collect(Properties)
    }
  }
  return names
}

/** Words that names are made of, so that one project's may end as another's begin. */
const WORDS = [
  ...['domain', 'live', 'request', 'response', 'url', 'files', 'fn', 'database', 'previews'],
  ...['bucket', 'mokapot', '1a2b3c4d', HERE, 'us-east-1', 'x', '-x'],
]
const BASES = ['a', 'site', 'mokapot']
const pairs = [
  ...BASES.flatMap(base => WORDS.map(word => [base, `${base}-${word}`] as const)),
  ...BASES.flatMap(base => WORDS.map(word => [base, `a${word}-${base}`] as const)),
  ['site', 'domain-site'] as const,
  ['domain', 'domain-domain'] as const,
]

describe('names of two projects in one account', () => {
  it.each(pairs)('are never the same: %s and %s', (one, other) => {
    for (const region of [HERE, GLOBAL_REGION]) {
      const own = namesOf(project(one, region))
      expect(own.length).toBeGreaterThan(15)
      for (const theirs of [HERE, GLOBAL_REGION]) {
        const names = new Set(namesOf(project(other, theirs)))
        expect(own.filter(name => names.has(name))).toEqual([])
      }
    }
  })

  it.each(pairs)('are no other’s to change by a pipeline: %s and %s', (one, other) => {
    for (const [mine, theirs] of [
      [one, other],
      [other, one],
    ] as const) {
      const patterns = rightsOf(project(mine))
      const reached = arnsOf(theirs).filter(arn => patterns.some(pattern => pattern.test(arn)))
      expect(reached).toEqual([])
      expect(arnsOf(mine).every(arn => patterns.some(pattern => pattern.test(arn)))).toBe(true)
    }
  })
})

/** Of things that are known by the name of their project. */
function arnsOf(name: string): string[] {
  const here = `${HERE}:${ACCOUNT}`
  return [
    `arn:aws:cloudformation:${here}:stack/${siteStackName(name)}/1a2b`,
    `arn:aws:cloudformation:us-east-1:${ACCOUNT}:stack/${domainStackName(name)}/1a2b`,
    `arn:aws:lambda:${here}:function:${lambdaPrefix(name)}visits`,
    `arn:aws:logs:${here}:log-group:/aws/lambda/${lambdaPrefix(name)}visits`,
    `arn:aws:iam::${ACCOUNT}:role/mokapot/${name}/functions/visits`,
    `arn:aws:ssm:${here}:parameter${secretParameter(name, 'KEY')}`,
    ...['request', 'response', 'url'].map(
      what => `arn:aws:cloudfront::${ACCOUNT}:function/${name}-${what}-${HERE}`,
    ),
  ]
}

/** What the role of the pipeline names, but for what is all of an account's. */
function rightsOf(given: Project): RegExp[] {
  const statements = iamRoles(given)
    .get('DeployRole')!
    .policies.flatMap(({ policy }) => policy.Statement)
  return statements
    .flatMap(({ Resource }) => [Resource].flat() as string[])
    .filter(pattern => pattern !== '*')
    .map(
      pattern =>
        new RegExp(
          `^${pattern
            .replace(/[.+^${}()|[\]\\]/g, '\\$&')
            .replaceAll('*', '.*')
            .replaceAll('?', '.')}$`,
        ),
    )
}
