import { readFileSync } from 'node:fs'
import { runSimulation } from '@cloud-copilot/iam-simulate'
import { describe, expect, it } from 'vitest'
import type { Project } from '../../../../config/project.ts'
import { sampleFunction, sampleProject } from '../template/sample.contract.ts'
import { MAKING, type Place, requiredActions } from './required-actions.ts'
import { templateFacts } from './template-facts.ts'

const place: Place = { account: '123456789012', region: 'eu-central-1', isNew: true }
const typesOf = (project: Project) => templateFacts(project).resources.map(({ type }) => type)
const actionsOf = (project: Project, at = place) =>
  requiredActions(project, typesOf(project), at).flatMap(({ actions }) => actions)

const github = { owner: 'you', repository: 'site', branch: 'main' }
const budget = { monthlyUsd: 20, email: 'a@example.org' }
const whole = {
  domain: 'example.org',
  functions: [sampleFunction('visits', { reservedConcurrency: 5 }), sampleFunction('render')],
}
const projects = [
  sampleProject({ ...whole, aws: { github, budget, hasDnssec: true, functionUrls: ['render'] } }),
  sampleProject({ ...whole, aws: { database: 'rds' } }),
  sampleProject({ ...whole, aws: { database: 'dsql', mode: 'classic' } }),
]

/** By the list of a simulator of IAM. */
async function isKnown(action: string): Promise<boolean> {
  const principal = 'arn:aws:iam::123456789012:user/anna'
  const resource = { resource: '*', accountId: place.account }
  const result = await runSimulation(
    {
      request: {
        principal,
        action,
        resource,
        contextVariables: {},
      },
      identityPolicies: [],
      serviceControlPolicies: [],
      resourceControlPolicies: [],
    },
    {},
  )
  return result.resultType !== 'error' || result.errors?.message !== 'invalid.action'
}

describe('requiredActions', () => {
  it('knows what it takes to make each type of the templates', () => {
    const types = new Set(projects.flatMap(typesOf))
    expect([...types].filter(type => MAKING[type] === undefined)).toEqual([])
  })

  it('names actions alone that IAM has', async () => {
    const actions = new Set([
      ...Object.values(MAKING).flat(),
      ...projects.flatMap(project => actionsOf(project, { ...place, isNew: false })),
    ])
    const asked = await Promise.all(
      [...actions].map(async action => [action, await isKnown(action)]),
    )
    expect(asked.filter(([, known]) => !known)).toEqual([])
  })

  it('asks for every action of deploys that were recorded', () => {
    const file = new URL('../../../../../test/fixtures/aws/deploy-calls.json', import.meta.url)
    const recorded = JSON.parse(readFileSync(file, 'utf8')) as { allowed: [string, string][] }
    const asked = new Set(
      projects.flatMap(project => actionsOf(project, { ...place, isNew: false })),
    )
    const actions = new Set(recorded.allowed.map(([action]) => action))
    expect(actions.size).toBeGreaterThan(20)
    expect([...actions].filter(action => !asked.has(action))).toEqual([])
  })

  it('asks for what the project uses, and for nothing else', () => {
    const small = actionsOf(sampleProject({ functions: [] }))
    for (const service of ['rds', 'dsql', 'ec2', 'route53', 'acm', 'budgets', 'apigateway']) {
      expect(small.filter(action => action.startsWith(`${service}:`))).toEqual([])
    }
    expect(actionsOf(projects[1]!)).toEqual(
      expect.arrayContaining(['rds:CreateDBInstance', 'ec2:CreateVpc', 'route53:CreateHostedZone']),
    )
  })

  it('asks for what CloudFront needs so that it may write access logs', () => {
    expect(actionsOf(sampleProject({ functions: [] }))).toContain('s3:PutBucketAcl')
  })

  it('asks for no making of what stands already', () => {
    const [project] = projects as [Project, ...Project[]]
    const standing = actionsOf(project, { ...place, isNew: false, distribution: 'E1' })
    expect(standing).not.toContain('cloudfront:CreateDistribution')
    expect(standing).toContain('cloudfront:UpdateDistribution')
  })

  it('asks on resources by the names that they have or will have', () => {
    const required = requiredActions(projects[0]!, typesOf(projects[0]!), {
      ...place,
      isNew: false,
      bucket: 'mokapot-site-bucket-abc',
      distribution: 'E1',
    })
    const on = (action: string) =>
      required.filter(({ actions }) => actions.includes(action)).map(({ resource }) => resource)
    expect(on('s3:PutObject')).toEqual(['arn:aws:s3:::mokapot-site-bucket-abc/x'])
    expect(on('cloudfront:CreateInvalidation')).toEqual([
      'arn:aws:cloudfront::123456789012:distribution/E1',
    ])
    expect(on('lambda:PublishVersion')).toEqual([
      expect.stringMatching(/^arn:aws:lambda:eu-central-1:123456789012:function:mokapot-site.*x$/),
    ])
    expect(required.filter(({ resource }) => resource.includes('${'))).toEqual([])
  })
})
