import { describe, expect, it } from 'vitest'
import type { Project } from '../../../../../config/project.ts'
import type { FunctionOrigin } from '../fragment.ts'
import { sampleProject } from '../sample.contract.ts'
import { distribution } from './distribution.ts'
import type { EdgeBehavior } from './rules.ts'

interface Made {
  config: {
    CacheBehaviors?: Record<string, unknown>[]
    DefaultCacheBehavior: Record<string, unknown>
    CustomErrorResponses: { ErrorCode: number; ErrorCachingMinTTL: number }[]
    Restrictions?: unknown
    Origins: Record<string, unknown>[]
    OriginGroups?: unknown
  }
  policy(behavior: Record<string, unknown>, field: string): Record<string, unknown>
  warnings: string[]
}

const APP = { url: 'https://app.example.net' }
const API: FunctionOrigin = {
  origin: { Id: 'functions', DomainName: 'api.example.net' },
  routes: ['/api/x'],
}

function make(
  edge: Partial<Project['edge']>,
  origins: FunctionOrigin[] = [],
  project: Parameters<typeof sampleProject>[0] = {},
): Made {
  const made = distribution(
    sampleProject({ ...project, edge: { origins: { app: APP }, ...edge } as Project['edge'] }),
    origins,
  )
  const resources = Object.assign({}, ...made.fragments.map(({ resources: some }) => some))
  return {
    config: resources.Distribution.Properties.DistributionConfig,
    warnings: made.warnings,
    policy(behavior, field) {
      const reference = behavior[field] as { 'Fn::GetAtt': [string, string] }
      const properties = resources[reference['Fn::GetAtt'][0]].Properties
      return Object.values(properties)[0] as Record<string, unknown>
    },
  }
}

function makeOne(behavior: Partial<EdgeBehavior>, edge: Partial<Project['edge']> = {}) {
  const whole = { pattern: '/app/*', origin: 'app', ...behavior } as EdgeBehavior
  const made = make({ behaviors: [whole], ...edge })
  return { ...made, behavior: made.config.CacheBehaviors![0]! }
}

describe('a behavior with an origin of its own', () => {
  it('keeps what says so, tells answers apart by query, and sends all but the Host', () => {
    const { behavior, policy, warnings } = makeOne({})
    expect(behavior).toMatchObject({
      AllowedMethods: ['GET', 'HEAD'],
      OriginRequestPolicyId: 'b689b0a8-53d0-40ab-baf2-68738e2966ac',
      TargetOriginId: 'origin-app',
      ViewerProtocolPolicy: 'redirect-to-https',
    })
    expect(policy(behavior, 'CachePolicyId')).toMatchObject({
      MinTTL: 0,
      DefaultTTL: 0,
      MaxTTL: 31_536_000,
      ParametersInCacheKeyAndForwardedToOrigin: {
        CookiesConfig: { CookieBehavior: 'none' },
        QueryStringsConfig: { QueryStringBehavior: 'all' },
        // For whoever sends the same credentials alone.
        HeadersConfig: { HeaderBehavior: 'whitelist', Headers: ['authorization'] },
      },
    })
    expect(warnings).toEqual([])
  })

  it('keeps nothing by guess that a cookie may have shaped, and says so', () => {
    const cookies = makeOne({ cache: { defaultTtlSeconds: 60 } })
    expect(cookies.policy(cookies.behavior, 'CachePolicyId')).toMatchObject({ DefaultTTL: 0 })
    expect(cookies.warnings[0]).toContain('keeps nothing by its defaultTtlSeconds')
    const none = makeOne({ cache: { defaultTtlSeconds: 60 }, forward: { cookies: 'none' } })
    expect(none.policy(none.behavior, 'CachePolicyId')).toMatchObject({ DefaultTTL: 60 })
    expect(none.warnings).toEqual([])
  })

  it('that keeps nothing forwards what its cache key names', () => {
    const { behavior, policy } = makeOne({
      cache: { maxTtlSeconds: 0, key: { query: { only: ['page'] }, headers: ['accept'] } },
      forward: { query: { only: ['sort'] }, cookies: 'none', headers: 'none' },
    })
    expect(behavior.CachePolicyId).toBe('4135ea2d-6df8-44a3-9df3-4b5a84be39ad')
    expect(policy(behavior, 'OriginRequestPolicyId')).toMatchObject({
      CookiesConfig: { CookieBehavior: 'none' },
      HeadersConfig: { HeaderBehavior: 'whitelist', Headers: ['accept'] },
      QueryStringsConfig: { QueryStringBehavior: 'whitelist', QueryStrings: ['sort', 'page'] },
    })
  })

  it('names each policy once, however many behaviors have it', () => {
    const behaviors = ['/a/*', '/b/*'].map(pattern => ({ pattern, origin: 'app' }))
    const [one, other] = make({ behaviors }).config.CacheBehaviors!
    expect(one!.CachePolicyId).toEqual(other!.CachePolicyId)
  })

  it('asks the first of two origins alone where things are sent to it', () => {
    const edge = {
      origins: {
        app: APP,
        spare: { url: 'https://b.example.net' },
        both: { primary: 'app', secondary: 'spare' },
      },
    }
    expect(makeOne({ origin: 'both' }, edge).behavior.TargetOriginId).toBe('origin-both')
    const sending = makeOne({ origin: 'both', methods: 'all' }, edge)
    expect(sending.behavior.TargetOriginId).toBe('origin-app')
    expect(sending.warnings[0]).toContain('asks origin "app" alone')
  })

  it('is told what has no effect on AWS', () => {
    const { warnings } = makeOne({
      rateLimit: { count: 5, periodSeconds: 60, per: 'client' },
      cache: { setCookie: 'never', maxBodyBytes: 1, staleIfErrorSeconds: 0 },
      responseHeaders: { remove: ['Via'], set: { 'X-Frame-Options': 'ALLOW-FROM x' } },
    })
    expect(warnings).toEqual([
      expect.stringContaining('"/app/*" has no rateLimit on AWS'),
      expect.stringContaining('by setCookie, maxBodyBytes, staleIfErrorSeconds of its cache'),
      expect.stringContaining('removes via, which CloudFront does not'),
      expect.stringContaining('sets x-frame-options to "ALLOW-FROM x"'),
    ])
  })
})

describe('header fields of answers', () => {
  it('are in the words that CloudFront has for them', () => {
    const { behavior, policy } = makeOne(
      {
        responseHeaders: {
          remove: ['Server'],
          set: { 'X-Frame-Options': 'deny', 'X-A': '1', 'X-XSS-Protection': '1; mode=block' },
          add: { 'X-B': '2', 'Strict-Transport-Security': 'max-age=60; includeSubDomains' },
        },
      },
      { hsts: { maxAgeSeconds: 300 } },
    )
    expect(policy(behavior, 'ResponseHeadersPolicyId')).toMatchObject({
      CustomHeadersConfig: {
        Items: [
          { Header: 'x-b', Value: '2', Override: false },
          { Header: 'x-a', Value: '1', Override: true },
        ],
      },
      RemoveHeadersConfig: { Items: [{ Header: 'server' }] },
      SecurityHeadersConfig: {
        FrameOptions: { FrameOption: 'DENY', Override: true },
        XSSProtection: { Protection: true, ModeBlock: true, Override: true },
        StrictTransportSecurity: {
          AccessControlMaxAgeSec: 60,
          IncludeSubdomains: true,
          Override: false,
        },
      },
    })
  })

  it('tell of CORS in words of their own', () => {
    const cors = (set: Record<string, string>) => {
      const { behavior, policy, warnings } = makeOne({ responseHeaders: { set } })
      const id = behavior.ResponseHeadersPolicyId
      return { warnings, config: id && policy(behavior, 'ResponseHeadersPolicyId').CorsConfig }
    }
    expect(cors({ 'Access-Control-Allow-Origin': '*' }).config).toEqual({
      AccessControlAllowCredentials: false,
      AccessControlAllowHeaders: { Items: ['Accept'] },
      AccessControlAllowMethods: { Items: ['GET', 'HEAD'] },
      AccessControlAllowOrigins: { Items: ['*'] },
      OriginOverride: true,
    })
    expect(
      cors({
        'Access-Control-Allow-Origin': 'https://app.example',
        'Access-Control-Allow-Methods': '*',
        'Access-Control-Allow-Headers': 'Content-Type, X-A',
        'Access-Control-Allow-Credentials': 'true',
        'Access-Control-Expose-Headers': 'X-B',
        'Access-Control-Max-Age': '600',
      }).config,
    ).toEqual({
      AccessControlAllowCredentials: true,
      AccessControlAllowHeaders: { Items: ['Content-Type', 'X-A'] },
      AccessControlAllowMethods: { Items: ['ALL'] },
      AccessControlAllowOrigins: { Items: ['https://app.example'] },
      AccessControlExposeHeaders: { Items: ['X-B'] },
      AccessControlMaxAgeSec: 600,
      OriginOverride: true,
    })
    const unfit = cors({ 'Access-Control-Allow-Origin': 'null' })
    expect(unfit.config).toBeUndefined()
    expect(unfit.warnings[0]).toContain(
      'access-control-allow-origin to what CloudFront has no word',
    )
  })

  it('tell of HSTS wherever something answers, and of nothing more than that', () => {
    const made = make(
      { hsts: { maxAgeSeconds: 9_000_000_000 }, behaviors: [{ pattern: '/app/*', origin: 'app' }] },
      [API],
    )
    for (const behavior of made.config.CacheBehaviors!) {
      const { Name: _, Comment: __, ...policy } = made.policy(behavior, 'ResponseHeadersPolicyId')
      expect(policy).toEqual({
        SecurityHeadersConfig: {
          StrictTransportSecurity: {
            AccessControlMaxAgeSec: 2_147_483_647,
            IncludeSubdomains: false,
            Preload: false,
            Override: false,
          },
        },
      })
    }
  })

  it('leave out a default that the project removes', () => {
    const behavior = {
      pattern: '/x',
      origin: 'site',
      responseHeaders: { remove: ['Referrer-Policy'] },
    }
    const made = make({ behaviors: [behavior] })
    const policy = made.policy(made.config.CacheBehaviors![0]!, 'ResponseHeadersPolicyId')
    expect(policy.SecurityHeadersConfig).not.toHaveProperty('ReferrerPolicy')
    expect(policy.SecurityHeadersConfig).toHaveProperty('ContentTypeOptions')
  })
})

it('tells that the HTTP API knows nothing of a guard', () => {
  const behaviors = [{ pattern: '/api/*', origin: 'site', countries: { only: ['DE'] } }]
  const { warnings } = make({ behaviors }, [API])
  expect(warnings).toContainEqual(expect.stringContaining('past the distribution'))
})

describe('what CloudFront has once for all paths', () => {
  const countries = { only: ['DE'] }

  it('restricts countries where every path has the same', () => {
    const everywhere = make({
      behaviors: [
        { pattern: '/app/*', origin: 'app', countries },
        { pattern: '*', origin: 'site', countries },
      ],
    })
    expect(everywhere.config.Restrictions).toEqual({
      GeoRestriction: { RestrictionType: 'whitelist', Locations: ['DE'] },
    })
    expect(everywhere.warnings).toEqual([])
    const some = makeOne({ countries })
    expect(some.config.Restrictions).toBeUndefined()
    expect(some.warnings[0]).toContain('"/app/*" is open to all countries')
  })

  it('keeps no errors', () => {
    expect(make({}).config.CustomErrorResponses).toContainEqual({
      ErrorCode: 500,
      ErrorCachingMinTTL: 0,
    })
  })

  it('keeps errors as origins say, unless a function’s would be kept with them', () => {
    const behaviors = [
      { pattern: '/app/*', origin: 'app', cache: { errorTtlSeconds: { 404: 10 } } },
    ]
    const kept = { ErrorCode: 404, ErrorCachingMinTTL: 10 }
    expect(make({ behaviors }).config.CustomErrorResponses).toContainEqual(kept)
    const withFunction = make({ behaviors }, [API])
    expect(withFunction.config.CustomErrorResponses).not.toContainEqual(kept)
    expect(withFunction.warnings[0]).toContain('where functions answer, too')
  })

  it('shows the page of a missing file in classic mode, where nobody knows what is there', () => {
    const page = {
      ErrorCode: 404,
      ErrorCachingMinTTL: 0,
      ResponsePagePath: '/404.html',
      ResponseCode: 404,
    }
    const classic = make({}, [], { aws: { mode: 'classic' } })
    expect(classic.config.CustomErrorResponses).toContainEqual(page)
    // So a 404 page that changes, or a page that is new, is nowhere kept but by its own path.
    expect(page.ErrorCachingMinTTL).toBe(0)
    expect(make({}).config.CustomErrorResponses).not.toContainEqual(page)
  })
})

describe('an origin', () => {
  const origins = (settings: object) => ({ origins: { app: settings } }) as Partial<Project['edge']>

  it.each([
    'http://127.0.0.1:3000',
    'http://localhost',
    'https://app.internal',
    'http://nas',
    'http://[::1]/',
    'http://app.example.net:81',
  ])('that CloudFront cannot ask is refused: %s', url => {
    expect(() => makeOne({}, origins({ url }))).toThrow(
      /origin "app" is at .* CloudFront cannot ask/,
    )
  })

  it('keeps within CloudFront’s limits, and says so', () => {
    const { config, warnings } = makeOne(
      {},
      origins({
        ...{ url: 'https://app.example.net/base/', host: { name: 'x.example' }, ca: 'PEM' },
        ...{ connectTimeoutMs: 20_000, responseTimeoutMs: 300_000 },
        headers: { 'X-Edge': 'a', 'X-Amz-Key': 'b' },
      }),
    )
    expect(config.Origins[1]).toMatchObject({
      OriginPath: '/base',
      ConnectionTimeout: 10,
      OriginCustomHeaders: [{ HeaderName: 'X-Edge', HeaderValue: 'a' }],
      CustomOriginConfig: { OriginReadTimeout: 60 },
    })
    expect(warnings).toHaveLength(5)
  })
})

it('refuses a key that CloudFront does not take', () => {
  const signingKeys = { old: RSA_4096 }
  const guarded = { origin: 'site', signedBy: ['old'] }
  expect(() => makeOne(guarded, { signingKeys })).toThrow(/key "old" has 4096 bits/)
})

const RSA_4096 = `-----BEGIN PUBLIC KEY-----
MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAlv/wJa+3usB8tG/Swkt1
2J1GJIyT/0cU9+SF+k+gGNoFZrUESiuIuf7m54JJwfOY0McKI8tcXfVu5bPXwi3M
e8LgNrGrt8JviT6tgRomSMqJTN3c2HNCcv/b2Jd5acTCzQ9d0NRS4Gj+hAf2sEif
jVNsyJjbHCBcN8OsPogZnYiMxcEubHS4VvX1rQnhYVMzoGrROEwJpH+wMSeaI0EX
1UEVS0sv4398iAIbFIh+rgE0UCDLnUq8hN1D+caDx/6PoIVHKuYyrYklIiTcC/6O
Fd/Hwezxqh11QZiyIZI1xs9sTWyEIa9VF3wW9LSqW0i2RQEQHvOVEaCn2NAEpP9o
pRi3GIf1RIo44XwzBRWZ2Cy5c3K7utjPbZJa1bpSmFqeSRzUUqOSo7qHl3bC0zeW
zsDwoBZqmB3rLWw1eSZm+rbJwk37plQ30yHXQFtboknKV4Ms1jFatiJm/IKNIs0T
mZqK3tl0eirlJInHiUmh+iDiipoAhqhYHvyinJpvj2Nj5nS/kY/RfnQJilH72FZ7
UAiSFFHFxjqmE2qP2bCDbyTaS6Cd2Fsv2Wv4g/NaptupWzyxv3HeT5TnCya5T6Pq
ymxEEszW3K08rA5us6YAVXraMdqXhXnAsrza8BOv21CSYC5P+DotI3vT82hYU/QW
NhZEZAuk9IHfteuoRWxPbMkCAwEAAQ==
-----END PUBLIC KEY-----
`
