import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { AwsError } from '../../../aws/errors.ts'
import type { EdgeBehavior, EdgeOriginSettings } from '../../behaviors/behavior.ts'
import type { Distribution } from '../distribution.ts'
import { distributionConfig, textOf } from '../shapes/config.ts'
import {
  behaviorXml,
  configXml,
  originXml,
  parseConfig,
  smallConfigXml,
} from '../testing/requests.ts'
import { readConfig, writeConfig } from './config.ts'
import {
  ALL_VIEWER,
  CACHE_POLICIES,
  ORIGIN_REQUEST_POLICIES,
  RESPONSE_HEADERS_POLICIES,
} from './managed-policies.ts'

const seconds = fc.integer({ min: 0, max: 31_536_000 })
const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'x-y', 'origin'), { maxLength: 3 })
const choice = fc.oneof(
  fc.constantFrom('all' as const, 'none' as const),
  names.map(only => ({ only })),
  names.map(allBut => ({ allBut })),
)
/** Fields that may be there or not. */
const some = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(fields, { requiredKeys: [] }) as fc.Arbitrary<Partial<T>>

const httpOrigin = fc
  .tuple(
    fc.constantFrom('http://a.example', 'https://b.example:8443/base', 'http://127.0.0.1:81/'),
    some({
      connectTimeoutMs: fc.integer({ min: 1, max: 60_000 }),
      responseTimeoutMs: fc.integer({ min: 1, max: 90_000 }),
      idleTimeoutMs: fc.integer({ min: 1, max: 90_000 }),
      maxConnections: fc.integer({ min: 1, max: 100 }),
      host: fc.constantFrom('origin' as const, 'viewer' as const, { name: 'c.example' }),
      headers: fc.constantFrom({}, { 'x-secret': 'a & b' }),
    }),
  )
  .map(([url, rest]): EdgeOriginSettings => ({ url, ...rest }))

const behavior = fc
  .tuple(
    fc.constantFrom('/api/*', '*.jpg', '*', '/*', '/a?c'),
    fc.constantFrom('site', 'one', 'two', 'both'),
    some({
      methods: fc.constantFrom('read' as const, 'read-and-options' as const, 'all' as const),
      cache: some({
        key: some({ query: choice, cookies: choice, headers: names }),
        minTtlSeconds: seconds,
        defaultTtlSeconds: seconds,
        maxTtlSeconds: seconds,
        errorTtlSeconds: fc.constant({ 404: 3 }),
        staleIfErrorSeconds: seconds,
        maxBodyBytes: fc.integer({ min: 0, max: 1000 }),
      }),
      forward: some({ query: choice, cookies: choice, headers: choice }),
      compress: fc.boolean(),
      responseHeaders: fc.constantFrom(
        { security: true },
        { add: { 'Access-Control-Allow-Origin': '*' } },
        { remove: ['x-powered-by'] },
      ),
      viewerProtocol: fc.constantFrom('allow-all' as const, 'redirect-to-https' as const),
      errorPages: fc.constantFrom(
        [],
        [{ status: 502, page: '/502.html' }],
        [{ status: 404, ttlSeconds: 5 }],
      ),
      rateLimit: fc.constant({ count: 1, periodSeconds: 60, per: 'client' as const }),
      countries: fc.constantFrom({ only: ['DE', 'FR'] }, { allBut: ['US'] }),
      signedBy: fc.constantFrom(['key'], ['key', 'other']),
    }),
  )
  .map(([pattern, origin, rest]) => ({ pattern, origin, ...rest }) as EdgeBehavior)

const deployed = fc
  .tuple(
    httpOrigin,
    httpOrigin,
    fc.array(behavior, { maxLength: 4 }),
    fc.option(fc.constant('site.example'), { nil: undefined }),
    fc.boolean(),
    fc.string({ maxLength: 20 }),
  )
  .map(
    ([one, two, behaviors, domain, isEnabled, comment]): Distribution => ({
      project: 'site',
      etag: 'E1',
      callerReference: 'site',
      modifiedMs: 0,
      isEnabled,
      // What XML cannot hold, no client can have said.
      comment: comment.replace(/[^\x20-\x7e]/g, ''),
      priceClass: 'PriceClass_All',
      isIpv6Enabled: false,
      ...(domain === undefined ? {} : { domain }),
      origins: { one, two, both: { primary: 'one', secondary: 'two' } },
      behaviors,
      signingKeys: ['key', 'other'],
      hasFile: path => path === '/502.html',
    }),
  )

function settingsOf(distribution: Distribution) {
  const { isEnabled, comment, priceClass, isIpv6Enabled, domain, origins, behaviors } = distribution
  const named = domain === undefined ? {} : { domain }
  return { isEnabled, comment, priceClass, isIpv6Enabled, ...named, origins, behaviors }
}

test('a configuration that is written back as it was read changes nothing, whatever was deployed', () => {
  fc.assert(
    fc.property(deployed, distribution => {
      const xml = configXml(writeConfig(distribution))
      expect(readConfig(parseConfig(xml), distribution)).toEqual(settingsOf(distribution))
    }),
    { numRuns: 60 },
  )
})

/** Configurations as clients send them for something new. */
const sent = fc
  .record({
    policy: fc.oneof(
      fc
        .tuple(
          fc.constantFrom(...Object.keys(CACHE_POLICIES)),
          fc.constantFrom('', ...Object.keys(ORIGIN_REQUEST_POLICIES)),
        )
        .map(
          ([cache, origin]) =>
            `<CachePolicyId>${cache}</CachePolicyId>${origin === '' ? '' : `<OriginRequestPolicyId>${origin}</OriginRequestPolicyId>`}`,
        ),
      fc
        .record({
          query: fc.boolean(),
          cookies: fc.constantFrom('none', 'all', 'whitelist'),
          headers: fc.uniqueArray(fc.constantFrom('Accept', 'Host', 'Origin'), { maxLength: 3 }),
          ttls: fc.constantFrom(
            '',
            '<MinTTL>5</MinTTL><DefaultTTL>9</DefaultTTL><MaxTTL>9</MaxTTL>',
          ),
        })
        .map(
          ({ query, cookies, headers, ttls }) =>
            `<ForwardedValues><QueryString>${query}</QueryString><Cookies><Forward>${cookies}</Forward>${cookies === 'whitelist' ? '<WhitelistedNames><Quantity>1</Quantity><Items><Name>c</Name></Items></WhitelistedNames>' : ''}</Cookies><Headers><Quantity>${headers.length}</Quantity><Items>${headers.map(name => `<Name>${name}</Name>`).join('')}</Items></Headers></ForwardedValues>${ttls}`,
        ),
    ),
    responseHeaders: fc.constantFrom('', ...Object.keys(RESPONSE_HEADERS_POLICIES)),
    geo: fc.constantFrom('none', 'whitelist', 'blacklist'),
    methods: fc.constantFrom(['GET', 'HEAD'], ['GET', 'HEAD', 'OPTIONS']),
  })
  .map(({ policy, responseHeaders, geo, methods }) =>
    smallConfigXml({
      fallback: behaviorXml(
        'o',
        `<ResponseHeadersPolicyId>${responseHeaders}</ResponseHeadersPolicyId><AllowedMethods><Quantity>${methods.length}</Quantity><Items>${methods.map(name => `<Method>${name}</Method>`).join('')}</Items></AllowedMethods>`,
        policy,
      ),
      more: `<Restrictions><GeoRestriction><RestrictionType>${geo}</RestrictionType><Quantity>${geo === 'none' ? 0 : 1}</Quantity><Items>${geo === 'none' ? '' : '<Location>DE</Location>'}</Items></GeoRestriction></Restrictions>`,
    }),
  )

test('what a configuration made is said so that it makes the same again', () => {
  fc.assert(
    fc.property(sent, xml => {
      const settings = readConfig(parseConfig(xml))
      const shown = writeConfig({ ...settings, callerReference: 'ref' })
      expect(textOf(distributionConfig, shown)).not.toContain('as-deployed')
      expect(readConfig(parseConfig(configXml(shown)))).toEqual(settings)
    }),
    { numRuns: 60 },
  )
})

function read(options: Parameters<typeof smallConfigXml>[0]) {
  return readConfig(parseConfig(smallConfigXml(options)))
}

describe('a configuration makes', () => {
  test('origins and behaviors, the default one for all paths, last', () => {
    const settings = read({
      origins: [
        originXml('o'),
        originXml(
          'secure',
          '<OriginPath>/v1</OriginPath><CustomHeaders><Quantity>1</Quantity><Items><OriginCustomHeader><HeaderName>X-Key</HeaderName><HeaderValue>k</HeaderValue></OriginCustomHeader></Items></CustomHeaders>',
        ).replace('http-only', 'https-only'),
      ],
      fallback: behaviorXml('o', '<Compress>true</Compress>'),
      more: `<CacheBehaviors><Quantity>1</Quantity><Items><CacheBehavior><PathPattern>/api/*</PathPattern>${behaviorXml('secure', '', `<CachePolicyId>4135ea2d-6df8-44a3-9df3-4b5a84be39ad</CachePolicyId><OriginRequestPolicyId>${ALL_VIEWER}</OriginRequestPolicyId>`)}</CacheBehavior></Items></CacheBehaviors>`,
    })
    expect(settings.origins).toEqual({
      o: { url: 'http://o.example' },
      secure: { url: 'https://secure.example/v1', headers: { 'X-Key': 'k' }, host: 'viewer' },
    })
    expect(settings.behaviors).toEqual([
      {
        pattern: '/api/*',
        origin: 'secure',
        methods: 'read',
        compress: false,
        cache: {
          key: { query: 'none', cookies: 'none', headers: [] },
          minTtlSeconds: 0,
          defaultTtlSeconds: 0,
          maxTtlSeconds: 0,
        },
        forward: { query: 'all', cookies: 'all', headers: 'all' },
      },
      {
        pattern: '*',
        origin: 'o',
        methods: 'read',
        compress: true,
        cache: {
          key: { query: 'none', cookies: 'none', headers: [] },
          minTtlSeconds: 1,
          defaultTtlSeconds: 86_400,
          maxTtlSeconds: 31_536_000,
        },
        forward: { query: 'none', cookies: 'none', headers: 'none' },
      },
    ])
  })

  test('one domain, whose www. may be named too', () => {
    const aliases = (...items: string[]) =>
      `<Aliases><Quantity>${items.length}</Quantity><Items>${items.map(name => `<CNAME>${name}</CNAME>`).join('')}</Items></Aliases>`
    expect(read({ more: aliases('Site.Example') }).domain).toBe('site.example')
    expect(read({ more: aliases('www.site.example', 'site.example') }).domain).toBe('site.example')
    expect(read({ more: aliases('www.site.example') }).domain).toBe('www.site.example')
    expect(() => read({ more: aliases('a.example', 'b.example') })).toThrow(/one domain/)
    expect(() => read({ more: aliases('*.a.example') })).toThrow(/wildcards/)
  })

  test('a rule for countries out of a restriction, for every path', () => {
    const more =
      '<Restrictions><GeoRestriction><RestrictionType>whitelist</RestrictionType><Quantity>1</Quantity><Items><Location>DE</Location></Items></GeoRestriction></Restrictions>'
    expect(read({ more }).behaviors.map(({ countries }) => countries)).toEqual([{ only: ['DE'] }])
  })
})

test('of a changed behavior and origin, what CloudFront has no word for stays', () => {
  const before: Distribution = {
    ...fc.sample(deployed, { numRuns: 1, seed: 1 })[0]!,
    origins: { one: { url: 'http://a.example', maxConnections: 7, host: { name: 'c.example' } } },
    behaviors: [
      {
        pattern: '/a',
        origin: 'one',
        rateLimit: { count: 1, periodSeconds: 60, per: 'client' },
        cache: { staleIfErrorSeconds: 5, maxTtlSeconds: 60 },
        responseHeaders: { remove: ['x-powered-by'] },
      },
    ],
  }
  const config = writeConfig(before)
  const after = readConfig(
    {
      ...config,
      Origins: config.Origins.map(origin =>
        origin.Id === 'one' ? { ...origin, DomainName: 'b.example' } : origin,
      ),
      CacheBehaviors: config.CacheBehaviors.map(behavior => ({
        ...behavior,
        ViewerProtocolPolicy: 'https-only' as const,
      })),
    },
    before,
  )
  expect(after.origins).toEqual({
    one: { url: 'http://b.example', maxConnections: 7, host: { name: 'c.example' } },
  })
  expect(after.behaviors).toEqual([
    { ...before.behaviors[0], viewerProtocol: 'https-only', methods: 'read', compress: true },
  ])
})

test('what CloudFront has no word for goes to another pattern by its name', () => {
  const before: Distribution = {
    ...fc.sample(deployed, { numRuns: 1, seed: 1 })[0]!,
    origins: { one: { url: 'http://a.example' } },
    behaviors: [{ pattern: '/a', origin: 'one', cache: { viewerDirectives: 'obeyed' } }],
  }
  const config = writeConfig(before)
  const [written] = config.CacheBehaviors
  expect(written?.CachePolicyId).toBe('as-deployed:/a')
  const CacheBehaviors = [{ ...written!, PathPattern: '/b' }, written!]
  expect(readConfig({ ...config, CacheBehaviors }, before).behaviors).toEqual([
    { ...before.behaviors[0], pattern: '/b', methods: 'read', compress: true },
    before.behaviors[0],
  ])
})

const S3 = '<S3OriginConfig><OriginAccessIdentity/></S3OriginConfig>'

describe('refuses by name', () => {
  test.each<[string, string, Parameters<typeof smallConfigXml>[0]]>([
    [
      'InvalidArgument',
      'DefaultCacheBehavior.LambdaFunctionAssociations is not supported here',
      {
        fallback: behaviorXml(
          'o',
          '<LambdaFunctionAssociations><Quantity>1</Quantity><Items><LambdaFunctionAssociation><LambdaFunctionARN>arn:x</LambdaFunctionARN><EventType>viewer-request</EventType></LambdaFunctionAssociation></Items></LambdaFunctionAssociations>',
        ),
      },
    ],
    ['InvalidArgument', 'WebACLId is not supported here', { more: '<WebACLId>x</WebACLId>' }],
    [
      'InvalidArgument',
      'HttpVersion is not supported here',
      { more: '<HttpVersion>http3</HttpVersion>' },
    ],
    [
      'InvalidArgument',
      'Logging is not supported here',
      { more: '<Logging><Enabled>true</Enabled><Bucket>b</Bucket></Logging>' },
    ],
    [
      'InvalidArgument',
      'ViewerCertificate is not supported here',
      {
        more: '<ViewerCertificate><ACMCertificateArn>arn:x</ACMCertificateArn></ViewerCertificate>',
      },
    ],
    [
      'InvalidArgument',
      'SomethingNew is not supported here',
      { more: '<SomethingNew>1</SomethingNew>' },
    ],
    [
      'InvalidArgument',
      'CacheTagConfig.HeaderName',
      { more: '<CacheTagConfig><HeaderName>x-tag</HeaderName></CacheTagConfig>' },
    ],
    ['InvalidArgument', 'S3OriginConfig', { origins: [originXml('o', S3)] }],
    [
      'InvalidArgument',
      'Origins.Items[0].OriginShield',
      { origins: [originXml('o', '<OriginShield><Enabled>true</Enabled></OriginShield>')] },
    ],
    [
      'InvalidArgument',
      'match-viewer',
      { origins: [originXml('o').replace('http-only', 'match-viewer')] },
    ],
    ['InvalidArgument', 'another origin', { origins: [originXml('o'), originXml('o')] }],
    ['NoSuchOrigin', '"missing"', { fallback: behaviorXml('missing') }],
    [
      'NoSuchCachePolicy',
      'my-own',
      { fallback: behaviorXml('o', '', '<CachePolicyId>my-own</CachePolicyId>') },
    ],
    [
      'NoSuchCachePolicy',
      'as-deployed',
      { fallback: behaviorXml('o', '', '<CachePolicyId>as-deployed:*</CachePolicyId>') },
    ],
    [
      'InvalidArgument',
      'CloudFront-*',
      {
        fallback: behaviorXml(
          'o',
          '',
          '<CachePolicyId>2e54312d-136d-493c-8eb9-b001f22f67d2</CachePolicyId>',
        ),
      },
    ],
    [
      'NoSuchOriginRequestPolicy',
      'my-own',
      { fallback: behaviorXml('o', '<OriginRequestPolicyId>my-own</OriginRequestPolicyId>') },
    ],
    [
      'NoSuchResponseHeadersPolicy',
      'my-own',
      { fallback: behaviorXml('o', '<ResponseHeadersPolicyId>my-own</ResponseHeadersPolicyId>') },
    ],
    [
      'TrustedKeyGroupDoesNotExist',
      '"k"',
      {
        fallback: behaviorXml(
          'o',
          '<TrustedKeyGroups><Enabled>true</Enabled><Quantity>1</Quantity><Items><KeyGroup>k</KeyGroup></Items></TrustedKeyGroups>',
        ),
      },
    ],
    [
      'InvalidTTLOrder',
      'MinTTL',
      {
        fallback: behaviorXml(
          'o',
          '<MinTTL>5</MinTTL><MaxTTL>1</MaxTTL>',
          '<ForwardedValues><QueryString>false</QueryString><Cookies><Forward>none</Forward></Cookies></ForwardedValues>',
        ),
      },
    ],
    [
      'InvalidArgument',
      'needs a CachePolicyId or ForwardedValues',
      { fallback: behaviorXml('o', '', '') },
    ],
    [
      'InvalidArgument',
      'MinTTL cannot stand beside',
      { fallback: behaviorXml('o', '<MinTTL>5</MinTTL>') },
    ],
    [
      'InvalidDefaultRootObject',
      'DefaultRootObject',
      { more: '<DefaultRootObject>index.html</DefaultRootObject>' },
    ],
    [
      'InvalidLocationCode',
      '"Germany"',
      {
        more: '<Restrictions><GeoRestriction><RestrictionType>whitelist</RestrictionType><Quantity>1</Quantity><Items><Location>Germany</Location></Items></GeoRestriction></Restrictions>',
      },
    ],
    [
      'InvalidArgument',
      'no file of the live release',
      {
        more: '<CustomErrorResponses><Quantity>1</Quantity><Items><CustomErrorResponse><ErrorCode>404</ErrorCode><ResponsePagePath>/404.html</ResponsePagePath><ResponseCode>404</ResponseCode></CustomErrorResponse></Items></CustomErrorResponses>',
      },
    ],
    [
      'InvalidErrorCode',
      '302',
      {
        more: '<CustomErrorResponses><Quantity>1</Quantity><Items><CustomErrorResponse><ErrorCode>302</ErrorCode></CustomErrorResponse></Items></CustomErrorResponses>',
      },
    ],
    [
      'InvalidArgument',
      'all seven',
      {
        fallback: behaviorXml(
          'o',
          '<AllowedMethods><Quantity>1</Quantity><Items><Method>GET</Method></Items></AllowedMethods>',
        ),
      },
    ],
  ])('%s: %s', (code, words, options) => {
    let thrown: unknown
    try {
      read(options)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toMatchObject({ code })
    expect((thrown as AwsError).message).toContain(words)
  })

  test('accepts what is there as it is by default', () => {
    const quiet =
      '<LambdaFunctionAssociations><Quantity>0</Quantity></LambdaFunctionAssociations><SmoothStreaming>false</SmoothStreaming><FieldLevelEncryptionId></FieldLevelEncryptionId><TrustedSigners><Enabled>false</Enabled><Quantity>0</Quantity></TrustedSigners>'
    const more =
      '<WebACLId></WebACLId><HttpVersion>http2</HttpVersion><Staging>false</Staging><Logging><Enabled>false</Enabled><IncludeCookies>false</IncludeCookies><Bucket></Bucket><Prefix></Prefix></Logging><ViewerCertificate><CloudFrontDefaultCertificate>true</CloudFrontDefaultCertificate></ViewerCertificate>'
    expect(read({ fallback: behaviorXml('o', quiet), more })).toEqual(read({}))
  })

  test('behaviors of one origin that differ in its Host', () => {
    const all = `<CachePolicyId>4135ea2d-6df8-44a3-9df3-4b5a84be39ad</CachePolicyId><OriginRequestPolicyId>${ALL_VIEWER}</OriginRequestPolicyId>`
    const more = `<CacheBehaviors><Quantity>1</Quantity><Items><CacheBehavior><PathPattern>/a</PathPattern>${behaviorXml('o', '', all)}</CacheBehavior></Items></CacheBehaviors>`
    expect(() => read({ more })).toThrow(/forwards Host/)
  })

  test('another cache policy for the release itself', () => {
    const before = { ...fc.sample(deployed, { numRuns: 1, seed: 1 })[0]!, behaviors: [] }
    const config = writeConfig(before)
    const changed = {
      ...config.DefaultCacheBehavior,
      CachePolicyId: Object.keys(CACHE_POLICIES)[0],
    }
    expect(() => readConfig({ ...config, DefaultCacheBehavior: changed }, before)).toThrow(
      'DefaultCacheBehavior.CachePolicyId of a behavior of origin "site" cannot be changed',
    )
  })
})
