import { describe, expect, it } from 'vitest'
import type { MokaConfig } from '../schema.ts'
import { validateConfig } from '../validate.ts'
import { resolveAws } from './resolve-aws.ts'

const FUNCTIONS = [{ name: 'visits', rateLimit: {} }, { name: 'render' }]

function resolve(
  aws: MokaConfig['aws'],
  { environment = {}, hasDomain = true }: { environment?: object; hasDomain?: boolean } = {},
) {
  const config = {
    name: 'site',
    ...(hasDomain ? { domain: 'example.org' } : {}),
    ...(aws === undefined ? {} : { aws }),
  }
  return resolveAws(config, FUNCTIONS, 'none', { ...environment }, 'moka.config.ts')
}

describe('what a project says of AWS', () => {
  it('fills in defaults', () => {
    expect(resolve(undefined)).toEqual({
      settings: {
        region: 'us-east-1',
        database: 'none',
        hasDnssec: false,
        mode: 'releases',
        functionUrls: [],
        logRetentionDays: 30,
        tags: {},
      },
      warnings: [],
    })
  })

  it("takes the region of AWS's own tools, and its own before that", () => {
    const environment = { AWS_REGION: 'eu-west-1', AWS_DEFAULT_REGION: 'eu-west-2' }
    expect(resolve({}, { environment }).settings.region).toBe('eu-west-1')
    const { AWS_DEFAULT_REGION } = environment
    expect(resolve({}, { environment: { AWS_DEFAULT_REGION } }).settings.region).toBe('eu-west-2')
    expect(resolve({ region: 'sa-east-1' }, { environment }).settings.region).toBe('sa-east-1')
  })

  it.each([
    ['none', undefined, 'none'],
    ['embedded', undefined, 'rds'],
    ['embedded', 'dsql', 'dsql'],
    ['external', 'dsql', 'url'],
  ] as const)('has for the database %s and the choice %s: %s', (database, chosen, expected) => {
    const aws = chosen === undefined ? {} : { database: chosen }
    const { settings } = resolveAws({ name: 'site', aws }, [], database, {}, 'moka.config.ts')
    expect(settings.database).toBe(expected)
  })

  it('warns of a database of AWS that no project asks for', () => {
    expect(resolve({ database: 'dsql' }).warnings).toEqual([
      'field "aws.database" has no effect: the project has no database',
    ])
  })

  it('names owner, repository and branch of who may deploy', () => {
    const { github } = resolve({ github: { repository: 'you/site' } }).settings
    expect(github).toEqual({ owner: 'you', repository: 'site', branch: 'main' })
  })

  it('refuses what needs a domain where there is none', () => {
    const without = { hasDomain: false }
    expect(() => resolve({ dnssec: true }, without)).toThrow(/"aws.dnssec" needs a domain/)
    expect(() => resolve({ hostedZoneId: 'Z1' }, without)).toThrow(/"aws.hostedZoneId" needs a/)
    expect(() => resolve({ dnssec: false }, without)).not.toThrow()
  })

  it('refuses function URLs of functions that there are none of, or that have a limit', () => {
    expect(resolve({ functionUrls: ['render', 'render'] }).settings.functionUrls).toEqual([
      'render',
    ])
    expect(hintOf(() => resolve({ functionUrls: ['rendr'] }))).toMatch(/"render"\?/)
    expect(() => resolve({ functionUrls: ['visits'] })).toThrow(/which has a rateLimit/)
  })
})

describe('the check of the field aws', () => {
  it.each([
    [{ region: 'Frankfurt' }, '"aws.region" "Frankfurt" is not the name of a region', undefined],
    [{ region: 'eu-central-1a' }, 'is not the name of a region', '"eu-central-1"'],
    [{ region: 'cn-north-1' }, 'stands for itself', undefined],
    [{ database: 'aurora' }, 'is not one of rds, dsql', undefined],
    [{ hostedZoneId: '/hostedzone/Z12' }, 'is not the id of a hosted zone', '"Z12"'],
    [{ logRetentionDays: 31 }, 'is not a time that CloudWatch offers: 1, 3, 5', undefined],
    [{ functionUrls: 'visits' }, 'is not a list', "functionUrls: ['visits']"],
    [{ github: 'you/site' }, '"aws.github" is not an object', "github: { repository: 'you/site' }"],
    [
      { github: { repository: 'https://github.com/you/site.git' } },
      'is not a repository',
      '"you/site"',
    ],
    [
      { github: { repository: 'you/site', branch: 'release/*' } },
      'is not the name of one',
      'one b',
    ],
    [{ budget: { monthlyUsd: 0, email: 'you@example.org' } }, 'is not over 0', undefined],
    [{ budget: { monthlyUsd: 5, email: 'you' } }, 'is not a mail address', undefined],
    [{ tags: { 'aws:x': 'y' } }, 'begins as tags of AWS', undefined],
    [{ tags: { Team: 'a', team: 'b' } }, 'differ in upper and lower case', undefined],
    [{ dnsec: true }, 'there is no field "aws.dnsec"', '"dnssec"?'],
    [{ hostedZone: 'Z12' }, 'there is no field "aws.hostedZone"', '"hostedZoneId"?'],
    [{ budget: { monthlyUSD: 1 } }, 'there is no field "aws.budget.monthlyUSD"', '"monthlyUsd"?'],
  ])('says of %j what is wrong, and what to write', (aws, problem, hint) => {
    const check = () => validateConfig({ name: 'site', aws }, 'moka.config.ts')
    expect(check).toThrow(problem)
    if (hint !== undefined) expect(hintOf(check)).toContain(hint)
  })

  it('takes every field', () => {
    const aws = {
      region: 'ap-southeast-2',
      database: 'dsql',
      hostedZoneId: 'Z0123456789ABC',
      dnssec: true,
      mode: 'classic',
      functionUrls: ['render'],
      github: { repository: 'you/you.github.io', branch: 'release/2' },
      budget: { monthlyUsd: 2.5, email: 'you+aws@example.org' },
      logRetentionDays: 7,
      tags: { team: 'web', 'cost-centre': '' },
    }
    expect(validateConfig({ name: 'site', aws }, 'moka.config.ts')).toEqual({ name: 'site', aws })
  })
})

function hintOf(call: () => unknown): string | undefined {
  try {
    call()
  } catch (error) {
    return (error as { hint?: string }).hint
  }
  return undefined
}
