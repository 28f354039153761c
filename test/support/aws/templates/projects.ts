import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Project, resolveProject } from '../../../../src/config/project.ts'
import type { MokaConfig } from '../../../../src/config/schema.ts'
import { validateConfig } from '../../../../src/config/validate.ts'

// Projects whose templates are kept under test/fixtures/aws-templates. Nothing of the machine gets in.

/** Public halves of keys that nobody has the private halves of. */
const KEY_1 = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEmpykKmEyXfOz35/ZLJIdfIDel6hn
m6DpqtSwfj6aMGImyxC9AKFxue48R4jSqWjB9MTtAiD+AKvvbXd2zD6DJw==
-----END PUBLIC KEY-----
`
const KEY_2 = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxke2EzRWeJxIOhNxHuwX
5Gp/nt64pPOsXbGnWuIIj5gFriIkZ9zHLO72Shlhp1/Hin9l6mSrpEDADmRGlzlt
ABWYzxl/N4/90CpRbS+lp/jrV51tsfgVb2TqKNHlwYh5wCXiJEYfKM3v719qOFyZ
ONMQotOOt5JBGb1En5FWjGB+fCgyZcTaNRlmYwMDybM0OVfLwXZ8Bh/lE1zE7gxg
Qrz0QJgIJc5C1mlKMRLr+PLs2LSFKUjxppfwK0bkD9pQLuqZpngh+NKbb0LInJxb
Ci3ZaMrtdn5JqpJQ9LIbjwct5uzIdZjVlClAihC1K12tEZo/47QTlvs/ax/2IQXB
9wIDAQAB
-----END PUBLIC KEY-----
`
const LONG = 'a-project-with-the-longest-name-there-is'

const FUNCTIONS: MokaConfig['functions'] = {
  visits: { entry: 'visits.py', rateLimit: { limit: '5/minute', per: 'function' } },
  shop: {
    entry: 'shop.ts',
    routes: ['/api/shop/*', '/checkout'],
    timeoutSeconds: 20,
    memoryMb: 512,
    environment: { CURRENCY: 'EUR' },
    secrets: ['STRIPE_KEY'],
    reservedConcurrency: 10,
  },
  plain: { entry: 'plain.ts', routes: [] },
}

const RECORDS: NonNullable<MokaConfig['dns']>['records'] = [
  { name: '@', type: 'MX', value: ['10 mail', '20 mail.example.net.'] },
  { name: '@', type: 'TXT', value: 'v=spf1 mx -all' },
  { name: '@', type: 'TXT', value: ['she said "hi" \\ bye', 'grüße'], ttlSeconds: 60 },
  { name: 'key._domainkey', type: 'TXT', value: `v=DKIM1; p=${'A'.repeat(400)}` },
  { name: '@', type: 'CAA', value: '0 issue "letsencrypt.org"' },
  { name: 'blog', type: 'CNAME', value: 'pages.example.net.' },
  { name: '*.users', type: 'A', value: '192.0.2.7', ttlSeconds: 3600 },
  { name: '_sip._tcp', type: 'SRV', value: '0 5 5060 sip' },
  { name: 'lab', type: 'NS', value: ['ns1.lab', 'ns2.example.net.'] },
  { name: 'v6.example.org.', type: 'AAAA', value: '2001:db8::10' },
  { name: '@', type: 'NS', value: 'ns1' },
]

const ORIGINS: MokaConfig['origins'] = {
  app: {
    url: 'https://app.example.net/v1',
    headers: { 'X-Edge': 'secret' },
    connectTimeoutSeconds: 5,
    responseTimeoutSeconds: 45,
  },
  old: { url: 'http://old.example.net:8080', host: 'viewer' },
  both: { primary: 'app', secondary: 'old', statuses: [500, 503] },
}

const BEHAVIORS: MokaConfig['behaviors'] = [
  { pattern: '/app/live/*', origin: 'app', methods: 'all', cache: { maxTtlSeconds: 0 } },
  {
    pattern: '/app/*',
    origin: 'both',
    methods: 'read-and-options',
    compress: false,
    cache: {
      key: { query: { only: ['page', 'sort'] }, cookies: { only: ['lang'] }, headers: ['Accept'] },
      minTtlSeconds: 1,
      defaultTtlSeconds: 60,
      maxTtlSeconds: 3600,
    },
    forward: { query: 'none', cookies: 'none', headers: { only: ['User-Agent'] } },
    responseHeaders: {
      remove: ['X-Powered-By'],
      set: { 'X-Frame-Options': 'DENY', 'X-Area': 'app' },
      add: { 'Content-Security-Policy': "default-src 'self'" },
      security: true,
    },
  },
  { pattern: '/old/*', origin: 'old', forward: { headers: { allBut: ['referer'] } } },
  { pattern: '/members/*', origin: 'site', signedBy: ['key-1'], viewerProtocol: 'https-only' },
  {
    pattern: '*.json',
    origin: 'site',
    responseHeaders: { set: { 'X-Data': 'json', 'Access-Control-Allow-Origin': '*' } },
  },
]

const AWS_ALL: MokaConfig['aws'] = {
  region: 'eu-central-1',
  github: { repository: 'you/site', branch: 'main' },
  budget: { monthlyUsd: 5, email: 'you@example.org' },
  logRetentionDays: 14,
  tags: { team: 'web', 'cost centre': '42' },
}

const CONFIGS: Readonly<Record<string, Omit<MokaConfig, 'name'> & { name?: string }>> = {
  static: {},
  'static-eu': { aws: { region: 'eu-central-1' } },
  'region-without-logs': { aws: { region: 'ap-east-1' } },
  domain: { domain: 'example.org', dns: { records: RECORDS } },
  'domain-existing-zone': { domain: 'example.org', aws: { hostedZoneId: 'Z0123456789ABC' } },
  'domain-dnssec': {
    domain: 'example.org',
    hsts: { maxAgeSeconds: 300, includeSubDomains: true },
    aws: { dnssec: true },
  },
  'domain-own-addresses': {
    domain: 'example.org',
    dns: {
      records: [
        { name: 'www', type: 'CNAME', value: 'elsewhere.example.net.' },
        { name: '@', type: 'A', value: '192.0.2.1' },
      ],
    },
  },
  functions: { functions: { visits: { entry: 'visits.py' } } },
  'functions-limited': { functions: FUNCTIONS },
  'function-urls': {
    functions: { shop: FUNCTIONS.shop!, plain: FUNCTIONS.plain! },
    aws: { functionUrls: ['shop'] },
  },
  'function-for-all': { functions: { app: { entry: 'plain.ts', routes: ['/*'] } } },
  rds: { functions: FUNCTIONS, database: true },
  dsql: { functions: FUNCTIONS, database: true, aws: { database: 'dsql' } },
  'database-url': { functions: FUNCTIONS, database: { url: 'postgres://you@db.example.net/site' } },
  behaviors: {
    functions: { shop: FUNCTIONS.shop! },
    origins: ORIGINS,
    behaviors: BEHAVIORS,
    signingKeys: { 'key-1': KEY_1 },
  },
  countries: {
    origins: { app: { url: 'https://app.example.net' } },
    behaviors: [
      {
        pattern: '/app/*',
        origin: 'app',
        countries: { only: ['DE', 'AT'] },
        errorPages: [{ status: 502, ttlSeconds: 30 }],
      },
      { pattern: '*', origin: 'site', countries: { only: ['DE', 'AT'] } },
    ],
  },
  classic: {
    functions: { visits: { entry: 'visits.py' } },
    origins: { app: { url: 'https://app.example.net' } },
    behaviors: [{ pattern: '/app/*', origin: 'app' }],
    domain: 'example.org',
    aws: { mode: 'classic' },
  },
  github: { aws: { github: { repository: 'you/site' }, region: 'eu-west-1' } },
  budget: { aws: { budget: { monthlyUsd: 10, email: 'you@example.org' } } },
  everything: {
    domain: 'example.org',
    functions: FUNCTIONS,
    database: true,
    dns: { records: RECORDS },
    origins: ORIGINS,
    behaviors: BEHAVIORS,
    signingKeys: { 'key-1': KEY_1, 'key-2': KEY_2 },
    hsts: { maxAgeSeconds: 31_536_000, includeSubDomains: true, preload: true },
    aws: { ...AWS_ALL, dnssec: true, functionUrls: ['shop'] },
  },
  'long-names': {
    name: LONG,
    domain: `${'long-label-'.repeat(4)}x.example.org`,
    functions: {
      [`f${'-very-long-name'.repeat(4)}`.slice(0, 60)]: { entry: 'plain.ts' },
      'a-b': { entry: 'plain.ts' },
    },
    database: true,
    aws: { ...AWS_ALL, region: 'ap-southeast-1' },
  },
}

/** Every project by name, resolved in a folder with the files that its functions name. */
export function templateProjects(): Map<string, Project> {
  const root = mkdtempSync(join(tmpdir(), 'moka-templates-'))
  for (const file of ['visits.py', 'shop.ts', 'plain.ts']) writeFileSync(join(root, file), '')
  return new Map(
    Object.entries(CONFIGS).map(([name, { aws, ...config }]) => {
      // Never the region of the machine's environment.
      const whole = { name: 'site', ...config, aws: { region: 'us-east-1', ...aws } }
      const checked = validateConfig(whole, 'moka.config.ts')
      return [name, resolveProject(checked, root, 'moka.config.ts')]
    }),
  )
}
