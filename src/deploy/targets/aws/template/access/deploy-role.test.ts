import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { iamRoles, isAllowed, isAssumable } from '../../../../../../test/support/aws/iam.ts'
import { sampleFunction, sampleProject } from '../sample.contract.ts'

type Row = [action: string, resource: string, context?: Record<string, string>]
const calls = JSON.parse(readFileSync('test/fixtures/aws/deploy-calls.json', 'utf8')) as Record<
  'allowed' | 'allowedToCloudFormation' | 'denied' | 'deniedToCloudFormation',
  Row[]
>

const github = { owner: 'you', repository: 'site', branch: 'main' }
const project = sampleProject({
  domain: 'example.org',
  aws: { github, database: 'rds', functionUrls: ['render'] },
})
const role = iamRoles(project).get('DeployRole')!
const asked = ([action, resource, context = {}]: Row, isByCloudFormation = false) =>
  isAllowed(role, { action, resource, context, isByCloudFormation })

describe('the role that deploys', () => {
  it.each(calls.allowed)('may %s on %s', async (...row) => {
    expect(await asked(row)).toBe(true)
  })

  it.each(calls.allowedToCloudFormation)(
    'may %s on %s through CloudFormation, and not without',
    async (...row) => {
      expect(await asked(row, true)).toBe(true)
      expect(await asked(row)).toBe(false)
    },
  )

  it.each(calls.denied)('may not %s on %s', async (...row) => {
    expect(await asked(row)).toBe(false)
  })

  it.each(calls.deniedToCloudFormation)(
    'may not %s on %s, CloudFormation or not',
    async (...row) => {
      expect(await asked(row, true)).toBe(false)
      expect(await asked(row)).toBe(false)
    },
  )

  it('is taken by workflows of one branch of one repository', async () => {
    const may = (sub: string, aud = 'sts.amazonaws.com') => isAssumable(role, { sub, aud })
    expect(await may('repo:you/site:ref:refs/heads/main')).toBe(true)
    expect(await may('repo:you@583231/site@1296269:ref:refs/heads/main')).toBe(true)
    for (const sub of [
      'repo:you/site:ref:refs/heads/main2',
      'repo:you/site:ref:refs/heads/dev',
      'repo:you/site:ref:refs/tags/main',
      'repo:you/site:pull_request',
      'repo:you/site:environment:production',
      'repo:you/other:ref:refs/heads/main',
      'repo:them/site:ref:refs/heads/main',
      'repo:you@583231/other@1296269:ref:refs/heads/main',
      'repo:them@583231/site@1296269:ref:refs/heads/main',
      'repo:you@583231/site@1296269:pull_request',
      'repo:you@583231/other@1296269:ref:refs/heads/site@1/main',
    ]) {
      expect(await may(sub), sub).toBe(false)
    }
    expect(await may('repo:you/site:ref:refs/heads/main', 'https://github.com/you')).toBe(false)
  })

  it('may in classic mode write pages and rules into the edge, and read what was overwritten', async () => {
    const plain = iamRoles(sampleProject({ aws: { github, mode: 'classic' } })).get('DeployRole')!
    const edge = (what: string) =>
      `arn:aws:cloudfront::123456789012:function/site-${what}-eu-central-1`
    const may = (action: string, resource: string, by = plain) =>
      isAllowed(by, { action, resource })
    for (const name of ['Get', 'Describe', 'Update', 'Publish']) {
      const action = `cloudfront:${name}Function`
      for (const what of ['request', 'response']) expect(await may(action, edge(what))).toBe(true)
      expect(await may(action, edge('b-request'))).toBe(false)
      expect(await may(action, edge('request'), role)).toBe(false)
    }
    const bucket = 'arn:aws:s3:::mokapot-site-files'
    expect(await may('s3:ListBucketVersions', bucket)).toBe(true)
    expect(await may('s3:GetObjectVersion', `${bucket}/index.html`)).toBe(true)
    expect(await may('s3:DeleteObjectVersion', `${bucket}/index.html`)).toBe(false)
    expect(
      await may(
        'cloudfront:GetDistribution',
        'arn:aws:cloudfront::123456789012:distribution/ESITE',
      ),
    ).toBe(true)
  })

  it('is trusted through the provider that the account has, where it has one', () => {
    const trust = iamRoles(project, true).get('DeployRole')!.trust
    expect(trust.Statement[0].Principal.Federated).toMatch(/oidc-provider\/token\.actions/)
  })

  it('has policies that IAM takes, whatever the project is called and has', () => {
    const long = sampleProject({
      name: 'a'.repeat(40),
      domain: `${'d'.repeat(60)}.example.org`,
      functions: Array.from({ length: 40 }, (_, index) => sampleFunction(`f${index}`)),
      aws: { github, database: 'rds' },
    })
    const { policies } = iamRoles(long).get('DeployRole')!
    const sum = policies.reduce((chars, { policy }) => chars + JSON.stringify(policy).length, 0)
    // Of all policies in a role, without blanks.
    expect(sum).toBeLessThan(10_240)
  })

  it('is made for nobody who names no repository', () => {
    const ids = [...iamRoles(sampleProject()).keys()]
    expect(ids).not.toContain('DeployRole')
  })
})
