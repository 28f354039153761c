import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { changedPatterns } from './difference.ts'
import { emptyDraft, parseDraft, type ReleaseDraft } from './manifest.ts'

const draft = (more: object = {}) => ({ ...emptyDraft('site'), ...more }) as ReleaseDraft

const app = { url: 'http://app.example' }
const behavior = (more: object) => ({
  origins: { app },
  behaviors: [{ pattern: '/*', origin: 'app', ...more }],
})
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
const otherCurve = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).publicKey

describe('a draft that no configuration made is refused for', () => {
  it.each<[string, object, string]>([
    [
      'a field that ends early',
      { origins: { app: { ...app, headers: { 'X-A': 'b\r\nc' } } } },
      'origins',
    ],
    [
      'a field name with a colon',
      { origins: { app: { ...app, headers: { 'X: A': 'b' } } } },
      'origins',
    ],
    ['a Host of its own', { origins: { app: { ...app, headers: { host: 'b' } } } }, 'origins'],
    [
      'a forged client address',
      { origins: { app: { ...app, headers: { 'X-Forwarded-For': 'b' } } } },
      'origins',
    ],
    [
      'a Host that ends early',
      { origins: { app: { ...app, host: { name: 'a\r\nb' } } } },
      'origins',
    ],
    ['another scheme', { origins: { app: { url: 'file:///etc/passwd' } } }, 'origins'],
    ['a password in an address', { origins: { app: { url: 'http://a:b@app' } } }, 'origins'],
    ['a query in an address', { origins: { app: { url: 'http://app/?a=b' } } }, 'origins'],
    ['an authority that is none', { origins: { app: { ...app, ca: 'pem' } } }, 'origins'],
    ['a time-out of nothing', { origins: { app: { ...app, connectTimeoutMs: 0 } } }, 'origins'],
    ['an unknown field of an origin', { origins: { app: { ...app, insecure: true } } }, 'origins'],
    ['an origin named "site"', { origins: { site: app } }, 'site'],
    [
      'a group of groups',
      { origins: { app, g: { primary: 'g', secondary: 'app' } } },
      'a group itself',
    ],
    [
      'a group without its members',
      { origins: { g: { primary: 'a', secondary: 'b' } } },
      'there is none',
    ],
    ['an origin that is not there', behavior({ origin: 'other' }), 'there is none'],
    ['an origin that every object has', behavior({ origin: 'toString' }), 'there is none'],
    ['a key that is not there', behavior({ signedBy: ['K1'] }), 'there is none'],
    ['no key at all', behavior({ signedBy: [] }), 'signedBy'],
    ['a pattern with a line break', behavior({ pattern: '/a\r\nb' }), 'pattern'],
    ['a pattern that is too long', behavior({ pattern: `/${'a'.repeat(300)}` }), 'pattern'],
    [
      'framing in an answer',
      behavior({ responseHeaders: { set: { 'transfer-encoding': 'a' } } }),
      'responseHeaders',
    ],
    [
      'framing taken out',
      behavior({ responseHeaders: { remove: ['Content-Length'] } }),
      'responseHeaders',
    ],
    [
      'a value that ends early',
      behavior({ responseHeaders: { add: { 'x-a': 'b\nc' } } }),
      'responseHeaders',
    ],
    ['a status that is no error', behavior({ errorPages: [{ status: 200 }] }), 'errorPages'],
    [
      'a page that becomes a 204',
      behavior({ errorPages: [{ status: 500, responseStatus: 204 }] }),
      'errorPages',
    ],
    ['a negative time', behavior({ cache: { maxTtlSeconds: -1 } }), 'cache'],
    ['an error time for a success', behavior({ cache: { errorTtlSeconds: { 200: 1 } } }), 'cache'],
    ['a body larger than the cache', behavior({ cache: { maxBodyBytes: 1e12 } }), 'cache'],
    ['a key field in upper case', behavior({ cache: { key: { headers: ['Accept'] } } }), 'cache'],
    [
      'no rate',
      behavior({ rateLimit: { count: 0, periodSeconds: 1, per: 'client' } }),
      'rateLimit',
    ],
    ['a country in lower case', behavior({ countries: { only: ['de'] } }), 'countries'],
    ['two ways of countries', behavior({ countries: { only: ['DE'], allBut: [] } }), 'countries'],
    [
      'too many behaviors',
      { behaviors: Array.from({ length: 251 }, (_, i) => ({ pattern: `/${i}`, origin: 'site' })) },
      'behaviors',
    ],
    [
      'a private key',
      { signingKeys: { K1: String(privateKey.export({ type: 'pkcs8', format: 'pem' })) } },
      'signingKeys',
    ],
    [
      'a key of another curve',
      { signingKeys: { K1: String(otherCurve.export({ type: 'spki', format: 'pem' })) } },
      'signingKeys',
    ],
    ['HSTS for a fraction', { hsts: { maxAgeSeconds: 0.5 } }, 'hsts'],
  ])('%s', (_what, more, named) => {
    expect(() => parseDraft(draft(more))).toThrow(named)
  })

  it('nothing when all of it is sound', () => {
    const sound = draft({
      ...behavior({ pattern: '*.jpg', signedBy: ['K1'], cache: { errorTtlSeconds: { 404: 1 } } }),
      signingKeys: { K1: String(publicKey.export({ type: 'spki', format: 'pem' })) },
      hsts: { maxAgeSeconds: 0 },
    })
    expect(parseDraft(JSON.parse(JSON.stringify(sound)))).toEqual(sound)
  })
})

describe('what a deploy drops of the answers of behaviors', () => {
  const manifest = (more: object) => ({ ...draft(more), id: 'r-1', createdMs: 0 })
  const before = { origins: { app }, behaviors: [{ pattern: '/a/*.jpg', origin: 'app' }] }
  const dropped = (next: object, from: object = before) =>
    changedPatterns(manifest(from), manifest(next))
  const changed = (more: object) => ({
    origins: { app },
    behaviors: [{ pattern: '/a/*.jpg', origin: 'app', ...more }],
  })

  it.each<[string, object]>([
    ['cache policy', { cache: { maxTtlSeconds: 1 } }],
    ['forwarding', { forward: { cookies: 'none' } }],
    ['compression', { compress: false }],
    ['times of errors', { errorPages: [{ status: 404, ttlSeconds: 1 }] }],
    ['origin', { origin: 'site' }],
  ])('is all below the pattern, for another %s', (_what, more) => {
    expect(dropped(changed(more))).toEqual(['/a/*'])
  })

  it('is all of those whose origin became another, also within a group', () => {
    const moved = { url: 'http://b.example' }
    expect(dropped({ ...before, origins: { app: moved } })).toEqual(['/a/*'])
    const group = (url: string) => ({
      origins: { app, spare: { url }, both: { primary: 'app', secondary: 'spare' } },
      behaviors: [{ pattern: '/one', origin: 'both' }],
    })
    expect(dropped(group('http://b'), group('http://a'))).toEqual(['/one'])
    expect(dropped({})).toEqual(['/a/*'])
  })

  it.each<[string, object]>([
    ['header fields', { responseHeaders: { remove: ['server'] } }],
    ['pages', { errorPages: [] }],
    ['protection', { rateLimit: { count: 1, periodSeconds: 1, per: 'client' } }],
    ['methods', { methods: 'all' }],
  ])('is nothing for other %s, which are not stored', (_what, more) => {
    expect(dropped(changed(more))).toEqual([])
  })

  it('is nothing for a behavior that is new, or the site itself', () => {
    expect(dropped(before, {})).toEqual([])
    const site = { behaviors: [{ pattern: '/*', origin: 'site' }] }
    expect(dropped({}, site)).toEqual([])
  })
})
