import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { formatError, MokaError } from '../../shared/errors.ts'
import { validateConfig } from '../validate.ts'
import { resolveEdge } from './edge-settings.ts'
import { coversPattern, routeCovers } from './path-coverage.ts'

const root = mkdtempSync(join(tmpdir(), 'moka-edge-settings-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const pem = (
  key: { export(options: { type: 'spki' | 'pkcs8'; format: 'pem' }): string | Buffer },
  type: 'spki' | 'pkcs8',
) => String(key.export({ type, format: 'pem' }))
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const small = generateKeyPairSync('rsa', { modulusLength: 1024 })
const curve = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
writeFileSync(join(root, 'rsa.pem'), pem(rsa.publicKey, 'spki'))
writeFileSync(join(root, 'small.pem'), pem(small.publicKey, 'spki'))
writeFileSync(join(root, 'private.pem'), pem(rsa.privateKey, 'pkcs8'))
writeFileSync(join(root, 'text.pem'), 'no key')

const app = { url: 'http://app.example' }
const visits = [{ name: 'visits', routes: ['/api/visits', '/api/visits/*'] }]

function resolve(fields: object, functions: typeof visits = []) {
  const config = validateConfig({ name: 'site', ...fields }, 'moka.config.ts')
  return resolveEdge(config, functions, root, 'moka.config.ts')
}

/** The message and its hint, as people read them. */
function refusal(fields: object): string {
  try {
    resolve(fields)
  } catch (error) {
    if (error instanceof MokaError) return formatError(error)
    throw error
  }
  return expect.unreachable('it was taken')
}

const behaviors = (...list: object[]) => ({
  origins: { app },
  behaviors: list.map(behavior => ({ pattern: '/*', origin: 'app', ...behavior })),
})

describe('what the edge is told', () => {
  it('is nothing where nothing is configured', () => {
    expect(resolve({})).toEqual({ settings: {}, warnings: [] })
    expect(resolve({ origins: {}, behaviors: [], signingKeys: {} }).settings).toEqual({})
  })

  it('has its own units and spellings', () => {
    const { settings, warnings } = resolve({
      origins: {
        app: { ...app, responseTimeoutSeconds: 2, headers: { 'X-Key': 'k' }, host: undefined },
        spare: { url: 'https://b.example:8443/v1', host: { name: 'b' } },
        both: { primary: 'app', secondary: 'spare', statuses: [503] },
      },
      behaviors: [
        {
          pattern: 'api/*',
          origin: 'both',
          methods: 'all',
          cache: {
            key: { query: { only: ['A'] }, headers: ['Accept-Language'] },
            errorTtlSeconds: { 404: 10 },
          },
          forward: { headers: { allBut: ['X-One'] }, cookies: 'none' },
          responseHeaders: { remove: ['Server'], set: { 'X-A': '1' }, security: true },
          errorPages: [{ status: 502, page: '/502.html', responseStatus: 200 }],
          rateLimit: '5/minute',
          countries: { only: ['DE', 'AT'] },
          signedBy: ['K1', 'K2'],
        },
        { pattern: '*', origin: 'site', viewerProtocol: 'redirect-to-https' },
      ],
      signingKeys: { K1: 'rsa.pem', K2: pem(curve.publicKey, 'spki') },
      hsts: { maxAgeSeconds: 300, preload: undefined },
    })
    expect(warnings).toEqual([])
    expect(settings).toEqual({
      origins: {
        app: { ...app, responseTimeoutMs: 2000, headers: { 'X-Key': 'k' } },
        spare: { url: 'https://b.example:8443/v1', host: { name: 'b' } },
        both: { primary: 'app', secondary: 'spare', statuses: [503] },
      },
      behaviors: [
        {
          pattern: '/api/*',
          origin: 'both',
          methods: 'all',
          cache: {
            key: { query: { only: ['A'] }, headers: ['accept-language'] },
            errorTtlSeconds: { 404: 10 },
          },
          forward: { headers: { allBut: ['x-one'] }, cookies: 'none' },
          responseHeaders: { remove: ['Server'], set: { 'X-A': '1' }, security: true },
          errorPages: [{ status: 502, page: '/502.html', responseStatus: 200 }],
          rateLimit: { count: 5, periodSeconds: 60, per: 'client' },
          countries: { only: ['DE', 'AT'] },
          signedBy: ['K1', 'K2'],
        },
        { pattern: '*', origin: 'site', viewerProtocol: 'redirect-to-https' },
      ],
      signingKeys: { K1: pem(rsa.publicKey, 'spki'), K2: pem(curve.publicKey, 'spki') },
      hsts: { maxAgeSeconds: 300 },
    })
  })
})

describe('a mistake is refused by its name', () => {
  it.each<[string, object, RegExp, RegExp?]>([
    [
      'an origin that is not there',
      behaviors({ origin: 'ap' }),
      /behavior "\/\*" names origin "ap", and there is none/,
      /"app"\? known are: app, site/,
    ],
    [
      'a key that is not there',
      behaviors({ signedBy: ['K1'] }),
      /"\/\*" names key "K1" in signedBy/,
      /add it to signingKeys; none is known yet/,
    ],
    [
      'a group of groups',
      {
        origins: {
          app,
          g: { primary: 'app', secondary: 'h' },
          h: { primary: 'app', secondary: 'app' },
        },
      },
      /origin "g" names "h" as its secondary, which is a group/,
    ],
    [
      'a group with itself',
      { origins: { app, g: { primary: 'app', secondary: 'app' } } },
      /origin "g" has "app" as its primary and its secondary/,
    ],
    [
      'a member that is not there',
      { origins: { app, g: { primary: 'apq', secondary: 'app' } } },
      /origin "g" names "apq" as its primary/,
      /"app"\?/,
    ],
    [
      'one pattern twice',
      behaviors({ pattern: '/a' }, { pattern: 'a' }),
      /two behaviors have the pattern "\/a"/,
    ],
    [
      'a cache policy for files',
      behaviors({ origin: 'site', cache: {} }),
      /"\/\*" is the site's own, and "cache" has no effect/,
    ],
    [
      'limits that cross',
      behaviors({ cache: { minTtlSeconds: 9, maxTtlSeconds: 1 } }),
      /minTtlSeconds of 9, which is over its maxTtlSeconds of 1/,
    ],
    [
      'no rate',
      behaviors({ rateLimit: 'often' }),
      /"\/\*" has a rateLimit that is none: "often"/,
      /"5\/minute"/,
    ],
    [
      'a rate as a number',
      behaviors({ rateLimit: 5 }),
      /behaviors\.0\.rateLimit" 5 is not a text/,
      /'5\/minute'/,
    ],
    [
      'a country in lower case',
      behaviors({ countries: { only: ['de'] } }),
      /"de" is not a country code/,
      /"DE"/,
    ],
    [
      'a country that ISO spells otherwise',
      behaviors({ countries: { allBut: ['UK'] } }),
      /"UK" is not in ISO 3166-1/,
      /"GB"/,
    ],
    [
      'countries as a list',
      behaviors({ countries: ['DE'] }),
      /countries" is not an object/,
      /\{ only: \['DE'\] \}/,
    ],
    ['no countries', behaviors({ countries: { only: [] } }), /names no country/],
    [
      'both ways at once',
      behaviors({ countries: { only: ['DE'], allBut: ['AT'] } }),
      /not exactly one of only and allBut/,
    ],
    [
      'a misspelled field',
      { origins: { app }, behaviors: [{ patern: '/*', origin: 'app' }] },
      /no field "behaviors\.0\.patern"/,
      /"pattern"\?/,
    ],
    [
      "CloudFront's word",
      { origins: { app }, behaviors: [{ PathPattern: '/*', origin: 'app' }] },
      /no field "behaviors\.0\.PathPattern"/,
      /"pattern"\?/,
    ],
    [
      'letters that changed places',
      behaviors({ forward: { query: { onyl: ['a'] } } }),
      /no field "behaviors\.0\.forward\.query\.onyl"/,
      /"only"\?/,
    ],
    [
      'an origin as a text',
      { origins: { app: 'app.example' } },
      /"origins\.app" is not an object/,
      /app: \{ url: 'https:\/\/app\.example' \}/,
    ],
    [
      'an address without scheme',
      { origins: { app: { url: 'app.example' } } },
      /"app\.example" is not an address/,
      /"https:\/\/app\.example"/,
    ],
    [
      'an address with a password',
      { origins: { app: { url: 'http://a:b@app' } } },
      /has a user name in it/,
    ],
    ['an address with a query', { origins: { app: { url: 'http://app?a' } } }, /is not an address/],
    [
      'the name "site"',
      { origins: { site: app } },
      /"site" is the name of the project's own files/,
    ],
    [
      'a line break in a field',
      { origins: { app: { ...app, headers: { 'X-A': 'b\r\nX-B: c' } } } },
      /has a line break/,
    ],
    [
      'a Host among the fields',
      { origins: { app: { ...app, headers: { Host: 'b' } } } },
      /"Host" is a field that the edge sets itself/,
      /host: \{ name:/,
    ],
    [
      'a line break in an answer',
      behaviors({ responseHeaders: { add: { 'X-A': 'b\nc' } } }),
      /has a line break/,
    ],
    [
      'framing in an answer',
      behaviors({ responseHeaders: { set: { 'Content-Length': '1' } } }),
      /"Content-Length" is a field that the edge sets itself/,
    ],
    [
      'framing taken out',
      behaviors({ responseHeaders: { remove: ['Transfer-Encoding'] } }),
      /"Transfer-Encoding" is a field that cannot be left out/,
    ],
    [
      'a private key',
      { signingKeys: { K1: 'private.pem' } },
      /"signingKeys\.K1" is a private key/,
      /-pubout/,
    ],
    ['a short key', { signingKeys: { K1: 'small.pem' } }, /neither an RSA key from 2048 bits/],
    ['a key that is none', { signingKeys: { K1: 'text.pem' } }, /no public key in PEM/],
    [
      'a key file that is not there',
      { signingKeys: { K1: 'gone.pem' } },
      /there is no file "gone\.pem"/,
    ],
    [
      'an authority that is none',
      { origins: { app: { ...app, ca: 'rsa.pem' } } },
      /"origins\.app\.ca" is no certificate/,
    ],
    [
      'very many origins',
      { origins: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`o${i}`, app])) },
      /"origins" has more than 100 entries/,
    ],
    [
      'a method',
      behaviors({ methods: ['GET', 'POST'] }),
      /"behaviors\.0\.methods" is not one of read,/,
      /methods: 'all'/,
    ],
    [
      'behaviors by name',
      { behaviors: { '/*': 'site' } },
      /"behaviors" is not a list/,
      /\[\{ pattern:/,
    ],
    [
      'a behavior as a text',
      { behaviors: ['/a'] },
      /"behaviors\.0" is not an object/,
      /\{ pattern: '\/a', origin: 'site' \}/,
    ],
    [
      'a pattern with a host',
      behaviors({ pattern: 'https://a.example/b/*' }),
      /is an address/,
      /"\/b\/\*"/,
    ],
    [
      'a name in place of a list',
      behaviors({ signedBy: 'K1' }),
      /is not a list of names/,
      /signedBy: \['K1'\]/,
    ],
    [
      'a list in place of a choice',
      behaviors({ forward: { cookies: ['a'] } }),
      /cookies" is not an object/,
      /cookies: \{ only: \['a'\] \}/,
    ],
    [
      'a host by itself',
      { origins: { app: { ...app, host: 'b' } } },
      /"b" is not 'origin'/,
      /host: \{ name: 'b' \}/,
    ],
    [
      'origins as a list',
      { origins: [app] },
      /"origins" is not an object of origins/,
      /origins: \{ app:/,
    ],
    [
      'fields as a list',
      { origins: { app: { ...app, headers: ['X-A: b'] } } },
      /"origins\.app\.headers" is not an object/,
      /headers: \{/,
    ],
    [
      'keys as a list',
      { signingKeys: ['rsa.pem'] },
      /"signingKeys" is not an object/,
      /signingKeys: \{/,
    ],
    ['HSTS without its time', { hsts: true }, /"hsts" is not an object/, /maxAgeSeconds: 300/],
    [
      'HSTS in another word',
      { hsts: { maxAge: 300 } },
      /no field "hsts\.maxAge"/,
      /"maxAgeSeconds"\?/,
    ],
  ])('%s', (_what, fields, message, hint = /./) => {
    const told = refusal(fields)
    const [line, ...rest] = told.split('\n')
    expect(line).toMatch(/^cannot read moka\.config\.ts: /)
    expect(line).toMatch(message)
    expect(rest.join('\n') || '-').toMatch(hint)
  })
})

describe('what has no effect is warned of', () => {
  it('a pattern behind one that has all its paths', () => {
    const { warnings } = resolve(behaviors({ pattern: '/a*' }, { pattern: '/a/*.jpg' }, {}))
    expect(warnings).toEqual([
      'behavior "/a/*.jpg" is never used: "/a*" comes before it and has all its paths',
    ])
  })

  it('a pattern whose paths a function answers; not one of the site, which protects it', () => {
    const list = behaviors({ pattern: '/api/visits/*' }, { pattern: '/api/*' })
    expect(resolve(list, visits).warnings).toEqual([
      'behavior "/api/visits/*" never asks origin "app": function "visits" answers all its paths, and function routes win',
    ])
    const own = behaviors({ pattern: '/api/visits/*', origin: 'site', rateLimit: '5/minute' }, {})
    expect(resolve(own, visits).warnings).toEqual([])
  })

  it('a pattern with what only URLs have', () => {
    const { warnings } = resolve(behaviors({ pattern: '/a?q=*' }, { pattern: '/a%20b' }))
    expect(warnings).toEqual([
      'behavior "/a?q=*" looks at no query: a pattern is of the path, and "?" in it is any one character',
      'behavior "/a%20b" is of the decoded path: write the character for "%20"',
    ])
  })

  it('an origin that nothing names', () => {
    expect(resolve({ origins: { app } }).warnings).toEqual([
      'origin "app" is never used: no behavior names it',
    ])
  })
})

it.each([
  ['/*', '/a', true],
  ['*', '/*', true],
  ['/a*', '/a', true],
  ['/a/*', '/a', false],
  ['/a/*', '/a/*', true],
  ['/a/*', '/a*', false],
  ['/?', '/a', true],
  ['/?', '/?', true],
  ['/?', '/*', false],
  ['/a', '/?', false],
  ['*.jpg', '/a/*.jpg', true],
  ['/a/*.jpg', '*.jpg', false],
  ['/a*b*c', '/axbyc', true],
  ['/a*b*c', '/a*c', false],
])('whether %s has all paths of %s', (outer, inner, expected) => {
  expect(coversPattern(outer, inner)).toBe(expected)
})

it.each([
  ['/x/*', '/x', true],
  ['/x/*', '/x/*', true],
  ['/x/*', '/x*', false],
  ['/x', '/x', true],
  ['/x', '/?', false],
  ['/*', '/a/*', true],
])('whether the route %s answers all of %s', (route, pattern, expected) => {
  expect(routeCovers(route, pattern)).toBe(expected)
})
