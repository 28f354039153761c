import { describe, expect, it } from 'vitest'
import { templateProjects } from '../../../../../../test/support/aws/templates/projects.ts'
import type { Project } from '../../../../../config/project.ts'
import type { Template } from '../../template/format.ts'
import { sampleFunction, sampleProject } from '../../template/sample.contract.ts'
import { siteTemplate } from '../../template/template.ts'
import type { DistributionConfig } from './keep-behaviors.ts'
import { overlaps } from './keep-behaviors.ts'
import { keepServing, removedBy } from './keep-serving.ts'
import { referencesOf } from './references.ts'

const PSEUDO = /^AWS::/

type Given = Parameters<typeof sampleProject>[0]
const edgeOf = (edge: Partial<Project['edge']>) =>
  ({ redirects: [], headers: [], ...edge }) as Project['edge']
const templateOf = (given: Given) => siteTemplate(sampleProject({ edge: edgeOf({}), ...given }))
// biome-ignore lint/suspicious/noExplicitAny: JSON of a template
const resource = (template: Template, id: string) => template.Resources[id] as any
const distribution = (template: Template): DistributionConfig =>
  resource(template, 'Distribution').Properties.DistributionConfig
const routes = (template: Template) =>
  // biome-ignore lint/suspicious/noExplicitAny: JSON of a template
  Object.values<any>(template.Resources)
    .filter(({ Type }) => Type === 'AWS::ApiGatewayV2::Route')
    .filter(({ Properties }) => /FunctionIntegration/.test(Properties.Target['Fn::Sub']))
    .map(
      ({ Properties: { RouteKey, Target } }) =>
        `${RouteKey} ${/(\w+)FunctionIntegration/.exec(Target['Fn::Sub'])?.[1]}`,
    )
    .sort()
const paths = (template: Template) =>
  distribution(template).CacheBehaviors?.map(
    ({ PathPattern, TargetOriginId }) => `${PathPattern} ${TargetOriginId}`,
  ) ?? []

const site = { url: 'https://one.example.net' }
const behavior = (pattern: string, origin: string, more = {}) => ({ pattern, origin, ...more })
const KEYS = {
  signingKeys: {
    'key-1': `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEmpykKmEyXfOz35/ZLJIdfIDel6hn
m6DpqtSwfj6aMGImyxC9AKFxue48R4jSqWjB9MTtAiD+AKvvbXd2zD6DJw==
-----END PUBLIC KEY-----
`,
  },
}
const withBehaviors = (behaviors: object[], origins = {}) =>
  templateOf({ functions: [], edge: edgeOf({ behaviors, origins, ...KEYS } as never) })

describe('the template of a stack until a release is live', () => {
  it('is the next one where nothing goes and nothing leads elsewhere', () => {
    const before = templateOf({ functions: [sampleFunction('a')] })
    const more = templateOf({
      functions: [sampleFunction('a', { memoryMb: 512 }), sampleFunction('b')],
    })
    expect(keepServing(before, more)).toBe(more)
    const settings = templateOf({
      functions: [sampleFunction('a')],
      aws: { logRetentionDays: 7, budget: { monthlyUsd: 5, email: 'ada@example.org' } },
    })
    expect(keepServing(before, settings)).toBe(settings)
  })

  it('keeps a function that goes, with its role, log, routes, limits and paths', () => {
    const limit = { rateLimit: { count: 5, periodSeconds: 60, per: 'function' as const } }
    const before = templateOf({
      functions: [sampleFunction('a'), sampleFunction('b', { ...limit, reservedConcurrency: 2 })],
    })
    const next = templateOf({ functions: [sampleFunction('a', { memoryMb: 512 })] })
    const kept = keepServing(before, next)
    expect(Object.keys(kept.Resources).sort()).toEqual(Object.keys(before.Resources).sort())
    expect(resource(kept, 'AFunction').Properties.MemorySize).toBe(512)
    expect(routes(kept)).toEqual(routes(before))
    expect(paths(kept)).toEqual(paths(before))
    const { RouteSettings } = resource(kept, 'ApiStage').Properties
    expect(Object.keys(RouteSettings)).toEqual(['ANY /api/b', 'ANY /api/b/{proxy+}'])
    expect(kept.Parameters).toEqual(before.Parameters)
    expect(kept.Conditions).toEqual(before.Conditions)
    const gone = removedBy(before, next).map(([id]) => id)
    expect(gone).toContain('BFunctionRole')
    expect(gone).not.toContain('Distribution')
  })

  it('keeps the whole HTTP API where the last function with a route goes', () => {
    const before = templateOf({ functions: [sampleFunction('a')] })
    const next = templateOf({ functions: [] })
    const kept = keepServing(before, next)
    expect(Object.keys(kept.Resources)).toEqual(
      expect.arrayContaining(Object.keys(before.Resources)),
    )
    expect(distribution(kept).Origins.map(({ Id }) => Id)).toContain('functions')
  })

  it('leads a route to the function that has had it, and a new one to its own', () => {
    const two = (a: string[], b: string[]) =>
      templateOf({
        functions: [sampleFunction('a', { routes: a }), sampleFunction('b', { routes: b })],
      })
    const kept = keepServing(two(['/x', '/y'], []), two(['/y'], ['/x', '/z']))
    expect(routes(kept)).toEqual(['ANY /x A', 'ANY /y A', 'ANY /z B'])
  })

  it('asks a function where it was asked, when it gets a URL of its own', () => {
    const functions = [sampleFunction('a', { routes: ['/x'] })]
    const byUrl = templateOf({ functions, aws: { functionUrls: ['a'] } })
    const byApi = templateOf({ functions })
    expect(paths(keepServing(byApi, byUrl))).toEqual(['/x functions'])
    expect(paths(keepServing(byUrl, byApi))).toEqual(['/x function-a'])
    for (const kept of [keepServing(byApi, byUrl), keepServing(byUrl, byApi)]) {
      expect(Object.keys(kept.Resources)).toEqual(
        expect.arrayContaining(['AFunctionUrl', 'Api', 'FunctionUrlRequest']),
      )
    }
  })

  it('keeps an origin where it was, and its paths, until nobody asks for them', () => {
    const before = withBehaviors([behavior('/app/*', 'app'), behavior('/old/*', 'old')], {
      app: site,
      old: { url: 'https://old.example.net' },
    })
    const next = withBehaviors([behavior('/new/*', 'app'), behavior('/app/*', 'app')], {
      app: { url: 'https://two.example.net' },
    })
    const kept = keepServing(before, next)
    expect(paths(kept)).toEqual(['/app/* origin-app', '/old/* origin-old', '/new/* origin-app'])
    expect(
      distribution(kept)
        .Origins.map(({ DomainName }) => DomainName)
        .slice(1),
    ).toEqual(['one.example.net', 'old.example.net'])
  })

  it('takes the next settings of a path that leads where it led, with no policy of before', () => {
    const path = (maxTtlSeconds: number) =>
      withBehaviors([behavior('/app/*', 'app', { cache: { maxTtlSeconds } })], { app: site })
    const next = path(60)
    expect(keepServing(path(3600), next)).toBe(next)
  })

  it('lets a new path in before an older one that has it, too, and behind all others', () => {
    const before = withBehaviors([behavior('/app/x*', 'app'), behavior('/app/*', 'app')], {
      app: site,
    })
    const next = withBehaviors(
      [behavior('*.json', 'new'), behavior('/app/new/*', 'new'), behavior('/app/*', 'app')],
      { app: site, new: { url: 'https://new.example.net' } },
    )
    expect(paths(keepServing(before, next))).toEqual([
      '/app/x* origin-app',
      '/app/new/* origin-new',
      '/app/* origin-app',
      '*.json origin-new',
    ])
  })

  it('guards what either of them guards', () => {
    const open = [behavior('*.html', 'site')]
    const guarded = [behavior('/in/*', 'site', { signedBy: ['key-1'] }), ...open]
    const isGuarded = (kept: Template) =>
      distribution(kept).CacheBehaviors?.map(
        ({ PathPattern, TrustedKeyGroups }) => `${PathPattern} ${TrustedKeyGroups !== undefined}`,
      )
    const both = ['/in/* true', '*.html false']
    expect(isGuarded(keepServing(withBehaviors(open), withBehaviors(guarded)))).toEqual(both)
    expect(isGuarded(keepServing(withBehaviors(guarded), withBehaviors(open)))).toEqual(both)
    const part = [behavior('/in/open/*', 'site'), behavior('/in/*', 'site')]
    expect(isGuarded(keepServing(withBehaviors(guarded), withBehaviors(part)))).toEqual([
      ...both,
      '/in/open/* false',
    ])
  })

  it('keeps rights of a function, and a database that may go unprotected', () => {
    const functions = [sampleFunction('a')]
    const before = templateOf({ functions, aws: { database: 'rds' } })
    const kept = keepServing(before, templateOf({ functions }))
    const [policy] = resource(kept, 'AFunctionRole').Properties.Policies
    expect(policy.PolicyDocument.Statement.map(({ Sid }: { Sid: string }) => Sid)).toEqual(
      expect.arrayContaining(['Logs', 'Database', 'Network']),
    )
    expect(resource(kept, 'AFunction').Properties.VpcConfig).toBeUndefined()
    expect(resource(kept, 'Database').Properties.DeletionProtection).toBe(false)
  })

  it('keeps names and certificate of a site that has no domain any more', () => {
    const before = templateOf({ domain: 'example.org' })
    const kept = keepServing(before, templateOf({}))
    expect(distribution(kept).Aliases).toEqual(distribution(before).Aliases)
    expect(Object.keys(kept.Parameters ?? {})).toEqual(
      expect.arrayContaining(['CertificateArn', 'HostedZoneId']),
    )
  })

  const projects = [...templateProjects().values()].filter(({ aws }) => aws.mode !== 'classic')
  const pairs = projects.flatMap(one =>
    projects.filter(other => other !== one).map(other => [one, other] as const),
  )
  it('stands by itself, and stays the same when it is made again, for any two projects', () => {
    const templates = new Map(projects.map(project => [project, siteTemplate(project)]))
    for (const [one, other] of pairs) {
      const [before, next] = [templates.get(one)!, templates.get(other)!]
      const kept = keepServing(before, next)
      const known = new Set(
        [kept.Resources, kept.Parameters, kept.Conditions].flatMap(all => Object.keys(all ?? {})),
      )
      const named = [...referencesOf(kept)].filter(name => !PSEUDO.test(name))
      expect(named.filter(name => !known.has(name))).toEqual([])
      const again = keepServing(kept, next)
      expect(again).toEqual(kept)
      expect(new Set(paths(kept)).size).toBe(paths(kept).length)
    }
  })
})

describe('patterns', () => {
  it.each([
    ['/a/*', '*.json', true],
    ['/a/?', '/a/b', true],
    ['/a/?', '/a/bc', false],
    ['/a*b', '/c*', false],
    ['/a*b', '/ac*', true],
    ['*x*', '/y', false],
    ['/a/*/c', '/a/b/*', true],
  ])('%s and %s have a path together: %s', (one, other, is) => {
    expect(overlaps(one, other)).toBe(is)
    expect(overlaps(other, one)).toBe(is)
  })
})
