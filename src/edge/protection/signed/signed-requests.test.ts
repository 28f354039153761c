import { generateKeyPairSync, sign } from 'node:crypto'
import { getSignedCookies, getSignedUrl } from '@aws-sdk/cloudfront-signer'
import { describe, expect, test } from 'vitest'
import { Fields } from '../../../http/fields.ts'
import type { EdgeRelease } from '../../release.ts'
import { removeSignatureCookies, withoutSignature } from './request-signature.ts'
import { checkSignature } from './signed-requests.ts'
import { SigningKeys } from './signing-keys.ts'

const publicKeyEncoding = { type: 'spki', format: 'pem' } as const
const privateKeyEncoding = { type: 'pkcs8', format: 'pem' } as const
const rsa = (modulusLength: number) =>
  generateKeyPairSync('rsa', { modulusLength, publicKeyEncoding, privateKeyEncoding })
const ecdsa = (namedCurve: string) =>
  generateKeyPairSync('ec', { namedCurve, publicKeyEncoding, privateKeyEncoding })
const PAIRS = { RSA: rsa(2048), ECDSA: ecdsa('P-256'), OTHER: rsa(2048) }
const release = {
  signingKeys: Object.fromEntries(
    Object.entries(PAIRS).map(([name, { publicKey }]) => [name, publicKey]),
  ),
} as Partial<EdgeRelease> as EdgeRelease
const keys = new SigningKeys()
const NOW = Date.UTC(2025, 0, 1)
const HOUR = 3_600_000
const URL = 'https://site.test/films/a%20b.mp4?size=large&license=yes'
const END = new Date(NOW + HOUR)

interface Visit {
  url?: string
  cookies?: Record<string, string>
  client?: string
  now?: number
  signedBy?: string[]
}

function check({ url = URL, cookies = {}, client = '192.0.2.7', now = NOW, signedBy }: Visit) {
  const [, origin, rawPath, query] = /^(https?:\/\/[^/]+)([^?]*)(.*)$/.exec(url)!
  const cookie = Object.entries(cookies).map(([name, value]) => `${name}=${value}`)
  const fields = cookie.length === 0 ? new Fields() : new Fields().set('cookie', cookie.join('; '))
  const request = { release, fields, origin: origin!, rawPath: rawPath!, query: query! }
  return checkSignature(keys, signedBy ?? ['RSA', 'ECDSA'], { ...request, client, now })
}

function signerOf(name: keyof typeof PAIRS, algorithm: 'SHA1' | 'SHA256' = 'SHA1') {
  return { keyPairId: name, privateKey: PAIRS[name].privateKey, algorithm }
}

const custom = (statement: object, whole: object = {}) =>
  JSON.stringify({ Statement: [statement], ...whole })
const until = (ms: number) => ({ DateLessThan: { 'AWS:EpochTime': Math.floor(ms / 1000) } })

describe.each([
  ['RSA', 'SHA1'],
  ['RSA', 'SHA256'],
  ['ECDSA', 'SHA1'],
  ['ECDSA', 'SHA256'],
] as const)("what AWS's signer signs by %s with %s", (key, algorithm) => {
  const signer = signerOf(key, algorithm)
  const canned = getSignedUrl({ ...signer, url: URL, dateLessThan: END.toISOString() })

  test('opens an URL until it expires: canned policy', () => {
    expect(check({ url: canned })).toBe('allowed')
    expect(check({ url: canned, now: NOW + HOUR - 1 })).toBe('allowed')
    expect(check({ url: canned, now: NOW + HOUR })).toBe('denied')
  })

  test('opens an URL by a custom policy: from, until, by whom', () => {
    const url = getSignedUrl({
      ...signer,
      url: URL,
      dateGreaterThan: new Date(NOW).toISOString(),
      dateLessThan: END.toISOString(),
      ipAddress: '192.0.2.0/24',
    })
    expect(check({ url, now: NOW })).toBe('denied')
    expect(check({ url, now: NOW + 1 })).toBe('allowed')
    expect(check({ url, now: NOW + HOUR })).toBe('denied')
    expect(check({ url, now: NOW + 1, client: '192.0.3.7' })).toBe('denied')
    expect(check({ url, now: NOW + 1, client: '2001:db8::1' })).toBe('denied')
  })

  test('opens what matches by cookies of a custom policy', () => {
    const policy = custom({ Resource: 'https://site.test/films/*', Condition: until(NOW + HOUR) })
    const cookies = getSignedCookies({ ...signer, policy }) as unknown as Record<string, string>
    expect(check({ cookies })).toBe('allowed')
    expect(check({ cookies, url: 'https://site.test/films/other' })).toBe('allowed')
    expect(check({ cookies, url: 'https://site.test/film' })).toBe('denied')
    expect(check({ cookies, url: 'http://site.test/films/other' })).toBe('denied')
    expect(check({ cookies, url: 'https://else.test/films/other' })).toBe('denied')
    expect(check({ cookies, now: NOW + HOUR })).toBe('denied')
  })

  test('opens an URL by cookies of a canned policy', () => {
    const dateLessThan = END.toISOString()
    const cookies = getSignedCookies({ ...signer, url: URL, dateLessThan })
    const given = cookies as unknown as Record<string, string>
    expect(check({ cookies: given })).toBe('allowed')
    expect(check({ cookies: given, url: 'https://site.test/films/a%20b.mp4' })).toBe('denied')
    expect(check({ cookies: given, now: NOW + HOUR })).toBe('denied')
  })

  test('opens nothing with any part changed, left out or given twice', () => {
    const parts = canned.slice(canned.indexOf('?') + 1).split('&')
    const base = canned.slice(0, canned.indexOf('?'))
    for (const [index, part] of parts.entries()) {
      const [name, value = ''] = part.split('=')
      const others = parts.toSpliced(index, 1)
      const changed = `${name}=${value.startsWith('1') ? '2' : '1'}${value.slice(1)}`
      for (const query of [others, [...others, changed], [...parts, changed]]) {
        const outcome = check({ url: `${base}?${query.join('&')}` })
        // Without the name of a key it is no signature at all.
        expect(outcome, query.join('&')).not.toBe('allowed')
      }
    }
    for (const more of ['x', '_', '%20', 'AAAA', '&Signature=']) {
      expect(check({ url: `${canned}${more}` }), more).toBe('denied')
      const signatureLast = canned.replace(/&(Signature=[^&]*)(.*)$/, '$2&$1')
      expect(check({ url: `${signatureLast}${more}` }), more).toBe('denied')
    }
    expect(check({ url: canned.replace('/films/', '/films//') })).toBe('denied')
    expect(check({ url: canned.replace('https:', 'http:') })).toBe('denied')
    expect(check({ url: canned.replace('site.test', 'else.test') })).toBe('denied')
  })

  test('opens nothing for a key that is not trusted here, or is another', () => {
    expect(check({ url: canned, signedBy: ['OTHER'] })).toBe('denied')
    expect(check({ url: canned, signedBy: [] })).toBe('denied')
    expect(check({ url: canned.replace(`Id=${key}`, 'Id=OTHER') })).toBe('denied')
    expect(check({ url: canned.replace(`Id=${key}`, 'Id=__proto__') })).toBe('denied')
    const byOther = getSignedUrl({
      ...{ ...signerOf('OTHER', algorithm), keyPairId: key },
      ...{ url: URL, dateLessThan: END.toISOString() },
    })
    expect(check({ url: byOther })).toBe('denied')
  })
})

test('without anything signed it is missing; a signature in the URL decides, whatever cookies say', () => {
  expect(check({})).toBe('missing')
  expect(check({ url: `${URL}&Expires=1` })).toBe('missing')
  const policy = custom({ Condition: until(NOW + HOUR) })
  const cookies = getSignedCookies({ ...signerOf('RSA'), policy })
  const given = cookies as unknown as Record<string, string>
  expect(check({ cookies: given })).toBe('allowed')
  const expired = getSignedUrl({
    ...signerOf('RSA'),
    url: URL,
    dateLessThan: new Date(NOW).toISOString(),
  })
  expect(check({ cookies: given, url: expired })).toBe('denied')
})

test('the parameters may stand anywhere among the others', () => {
  const url = getSignedUrl({ ...signerOf('RSA'), url: URL, dateLessThan: END.toISOString() })
  const [base, query = ''] = url.split('?')
  const parameters = query.split('&')
  const mixed = [...parameters.slice(2), ...parameters.slice(0, 2)].join('&')
  expect(check({ url: `${base}?${mixed}` })).toBe('allowed')
  const swapped = [parameters[1], parameters[0], ...parameters.slice(2)].join('&')
  expect(check({ url: `${base}?${swapped}` })).toBe('denied')
})

describe('a policy that was signed', () => {
  const opens = (policy: string, visit: Visit = {}) => {
    const cookies = getSignedCookies({ ...signerOf('RSA'), policy })
    return check({ ...visit, cookies: cookies as unknown as Record<string, string> })
  }
  const condition = until(NOW + HOUR)

  test.each([
    ['https://site.test/films/a%20b.mp4?size=large&license=yes', 'allowed'],
    ['https://site.test/films/a%20b.mp4', 'denied'],
    ['http*://site.test/*', 'allowed'],
    ['*', 'allowed'],
    ['https://site.test/films/?%20b.mp4*', 'allowed'],
    ['https://site.test/films/?b.mp4*', 'denied'],
    ['https://SITE.test/*', 'denied'],
    ['/films/*', 'denied'],
  ])('for %s: %s', (resource, outcome) => {
    expect(opens(custom({ Resource: resource, Condition: condition }))).toBe(outcome)
  })

  test.each([
    ['192.0.2.7', 'allowed'],
    ['192.0.2.7/32', 'allowed'],
    ['192.0.2.6/32', 'denied'],
    ['0.0.0.0/0', 'allowed'],
    ['2001:db8::/32', 'denied'],
    ['192.0.2.0/33', 'denied'],
    ['everybody', 'denied'],
  ])('by %s: %s', (block, outcome) => {
    const IpAddress = { 'AWS:SourceIp': block }
    expect(opens(custom({ Condition: { ...condition, IpAddress } }))).toBe(outcome)
  })

  test.each([
    ['not JSON', '{'],
    ['no statement', '{}'],
    ['no condition', custom({ Resource: '*' })],
    ['no end', custom({ Resource: '*', Condition: {} })],
    ['an end in quotes', custom({ Condition: { DateLessThan: { 'AWS:EpochTime': '9e9' } } })],
    [
      'two statements',
      JSON.stringify({ Statement: [{ Condition: condition }, { Condition: condition }] }),
    ],
    ['a condition that we do not know', custom({ Condition: { ...condition, Country: 'DE' } })],
    ['another member', custom({ Condition: condition }, { Version: '2012-10-17' })],
    ['a resource that is a list', custom({ Resource: ['*'], Condition: condition })],
  ])('with %s opens nothing', (_name, policy) => {
    expect(opens(policy)).toBe('denied')
  })

  test('may have spaces, as long as they were signed', () => {
    const policy = JSON.stringify({ Statement: [{ Resource: '*', Condition: condition }] }, null, 2)
    expect(opens(policy)).toBe('allowed')
  })

  test('costs no more than its length allows, however many stars', () => {
    const resource = `https://${'*a'.repeat(500)}b`
    const startedMs = performance.now()
    expect(opens(custom({ Resource: resource, Condition: condition }))).toBe('denied')
    expect(performance.now() - startedMs).toBeLessThan(10_000)
  })
})

test('a signature of other bytes than base64 for URLs opens nothing', () => {
  const policy = custom({ Condition: until(NOW + HOUR) })
  const { privateKey } = PAIRS.RSA
  const standard = {
    'CloudFront-Policy': Buffer.from(policy).toString('base64url'),
    'CloudFront-Signature': sign('sha1', Buffer.from(policy), privateKey).toString('base64'),
    'CloudFront-Key-Pair-Id': 'RSA',
  }
  expect(check({ cookies: standard })).toBe('denied')
  const good = getSignedCookies({ ...signerOf('RSA'), policy }) as unknown as Record<string, string>
  expect(check({ cookies: { ...good, 'CloudFront-Hash-Algorithm': 'MD5' } })).toBe('denied')
  expect(check({ cookies: { ...good, 'CloudFront-Hash-Algorithm': 'SHA256' } })).toBe('denied')
  expect(check({ cookies: { ...good, 'CloudFront-Hash-Algorithm': 'SHA1' } })).toBe('allowed')
})

test('takes the signature out of query and cookies, however its names are written', () => {
  expect(
    withoutSignature('?a=1&Policy=x&b=2&Key%2DPair-Id=k&Signature=s&Hash-Algorithm=SHA1'),
  ).toBe('?a=1&b=2')
  expect(withoutSignature('?Expires=1&Signature=s&Key-Pair-Id=k')).toBe('')
  expect(withoutSignature('?expires=1&&a')).toBe('?expires=1&&a')
  const fields = new Fields().set(
    'cookie',
    'a=1; CloudFront-Policy=x; CloudFront-Signature=y;CloudFront-Key-Pair-Id=z; CloudFront-Other=1',
  )
  removeSignatureCookies(fields)
  expect(fields.get('cookie')).toBe('a=1; CloudFront-Other=1')
  const alone = new Fields().set('cookie', 'CloudFront-Expires=1')
  removeSignatureCookies(alone)
  expect(alone.has('cookie')).toBe(false)
})

test('keys that cannot be used are told', () => {
  const small = rsa(1024).publicKey
  const curve = ecdsa('P-384').publicKey
  const problems = keys.problemsOf({
    signingKeys: { good: PAIRS.RSA.publicKey, text: 'no key', small, curve },
    behaviors: [{ pattern: '/a', origin: 'site', signedBy: ['good', 'absent'] }],
  } as Partial<EdgeRelease> as EdgeRelease)
  expect(problems).toEqual([
    'signing key "text": it is no public key in PEM',
    'signing key "small": it has to be RSA with 2048 bits or more, or ECDSA on P-256',
    'signing key "curve": it has to be RSA with 2048 bits or more, or ECDSA on P-256',
    '/a: there is no signing key "absent"',
  ])
})
