import { describe, expect, it } from 'vitest'
import { MokaError } from '../shared/errors.ts'
import { parseRateLimit } from './rate-limit.ts'
import { validateConfig } from './validate.ts'

function errorOf(input: unknown): MokaError {
  try {
    validateConfig(input, 'moka.config.ts')
  } catch (error) {
    if (error instanceof MokaError) return error
    throw error
  }
  throw new Error('there was no error')
}

const withFunction = (settings: object) => ({
  name: 'site',
  functions: { visits: { entry: 'visits.py', ...settings } },
})

describe('a configuration', () => {
  it('needs nothing but a name', () => {
    expect(validateConfig({ name: 'site' }, 'moka.config.ts')).toEqual({ name: 'site' })
  })

  it.each([
    ['no default export', undefined, 'no default export'],
    ['an unknown field', { name: 'a', sites: {} }, 'there is no field "sites"'],
    [
      'an unknown field inside a function',
      withFunction({ rateLmit: '5/minute' }),
      'there is no field "functions.visits.rateLmit"',
    ],
    [
      'an unknown field inside the database',
      { name: 'a', database: { migration: 'x' } },
      'there is no field "database.migration"',
    ],
    ['a missing field', { name: 'a', functions: { f: {} } }, '"functions.f.entry" is missing'],
    ['no name', {}, '"name" is missing'],
    ['a wrong type', { name: 5 }, 'field "name" 5 is not a text'],
    ['a bad name', { name: 'My Site' }, 'field "name" "My Site" is not 1 to 40 of'],
    [
      'a bad domain',
      { name: 'a', domain: 'localhost' },
      'field "domain" "localhost" is not a domain',
    ],
    [
      'a secret’s value',
      withFunction({ secrets: { KEY: 'v' } }),
      'secrets" is not a list of names',
    ],
    ['a bad name of a secret', withFunction({ secrets: ['a-b'] }), '"a-b" is not the name of an'],
    [
      'a secret that the cloud would overwrite',
      withFunction({ secrets: ['AWS_REGION'] }),
      '"functions.visits.secrets.0" "AWS_REGION" is a name that Lambda keeps for itself',
    ],
    ['a notification to nowhere', { name: 'a', notify: 'example.org' }, 'field "notify"'],
    ['a password in an address', { name: 'a', notify: 'https://u:p@h/' }, 'field "notify"'],
    ['a notification without an address', { name: 'a', notify: [{}] }, 'field "notify'],
    ['a bad route', withFunction({ routes: ['api'] }), 'field "functions.visits.routes.0" "api"'],
    ['a star in the middle', withFunction({ routes: ['/a/*/b'] }), 'functions.visits.routes.0'],
    [
      'a bad timeout',
      withFunction({ timeoutSeconds: 0 }),
      '"functions.visits.timeoutSeconds" 0 is not',
    ],
    [
      'a bad entry',
      { name: 'a', functions: { f: { entry: 'f.rb' } } },
      '"f.rb" does not end in .py',
    ],
    [
      'a database address that is none',
      { name: 'a', database: { url: 'mysql://x' } },
      'field "database.url"',
    ],
    [
      'a database address that is undefined',
      { name: 'a', database: { url: undefined } },
      'field "database.url" is undefined',
    ],
    [
      'an unknown record type',
      {
        name: 'a',
        domain: 'a.example',
        dns: { records: [{ name: '@', type: 'PTR', value: 'x' }] },
      },
      'field "dns.records.0.type" "PTR" is not one of',
    ],
  ])('with %s gives one error that names it', (_, input, text) => {
    expect(errorOf(input).message).toContain('cannot read moka.config.ts: ')
    expect(errorOf(input).message).toContain(text)
  })

  it.each([
    ['sites', 'site'],
    ['databse', 'database'],
  ])('with field "%s" hints at "%s"', (wrong, right) => {
    expect(errorOf({ name: 'a', [wrong]: {} }).hint).toBe(`"${right}"?`)
  })

  it.each([
    [withFunction({ reservedConcurrency: '2' }), 'reservedConcurrency: 2'],
    [withFunction({ environment: { PORT: 80 } }), "PORT: '80'"],
    [withFunction({ routes: [5] }), "'5'"],
    [withFunction({ routes: ['api/visits'] }), '"/api/visits"'],
    [{ name: 'My Site' }, '"my-site"'],
    [{ name: '5 Über-Cafés!' }, '"uber-cafes"'],
    [{ name: 5 }, '"my-site"'],
    [{}, '"my-site"'],
    [{ name: 'a', functions: { f: {} } }, "entry: 'functions/f.ts'"],
    [{ name: 'a', domain: 'https://My-Site.example/' }, '"my-site.example"'],
    [{ name: 'a', domain: 'bücher.example' }, '"xn--bcher-kva.example"'],
    [
      { name: 'a', domain: 'localhost' },
      'a name such as "example.org"; without one leave the field out',
    ],
    [withFunction({ timeoutSeconds: 0 }), undefined],
    [withFunction({ timeoutSeconds: 'soon' }), undefined],
  ])('such as %j hints at %j', (input, hint) => {
    expect(errorOf(input).hint).toBe(hint)
  })

  it.each([
    ['/api/items/:id', '"/api/items/*"; the rest is in event.pathParameters.proxy'],
    ['/api/items/{id}', '"/api/items/*"; the rest is in event.pathParameters.proxy'],
    ['/api/items/[id]/notes', '"/api/items/*"; the rest is in event.pathParameters.proxy'],
    ['/:page', '"/*"; the path is in event.rawPath'],
  ])('with the parameter in route %s hints at the star', (route, hint) => {
    const error = errorOf(withFunction({ routes: [route] }))
    expect(error.message).toContain(
      `field "functions.visits.routes.0" "${route}" has a parameter, and routes have none`,
    )
    expect(error.hint).toBe(hint)
  })

  it('may have a colon within a segment of a route', () => {
    expect(() =>
      validateConfig(withFunction({ routes: ['/api/a:b', '/x:y/*'] }), 'moka.config.ts'),
    ).not.toThrow()
  })

  it.each(['_HANDLER', 'AWS_REGION', 'AWS_LAMBDA_RUNTIME_API'])('may not set %s', name => {
    const error = errorOf(withFunction({ environment: { [name]: 'x' } }))
    expect(error.message).toContain(
      `field "functions.visits.environment.${name}" "${name}" is a name that Lambda keeps for itself`,
    )
    expect(error.hint).toContain('another name')
    expect(() =>
      validateConfig(withFunction({ environment: { AWS_LAMBDA_MINE: 'x' } }), 'moka.config.ts'),
    ).not.toThrow()
  })

  it('does not guess when nothing is near', () => {
    expect(errorOf({ name: 'a', kubernetes: {} }).hint).toContain('docs/reference/config.md')
  })
})

describe('a rate limit', () => {
  it.each([
    ['5/minute', { count: 5, periodSeconds: 60, per: 'client' }],
    ['100 / day', { count: 100, periodSeconds: 86_400, per: 'client' }],
    ['10/30s', { count: 10, periodSeconds: 30, per: 'client' }],
    ['10/2h', { count: 10, periodSeconds: 7200, per: 'client' }],
    [
      { limit: '2/second', per: 'function' as const },
      { count: 2, periodSeconds: 1, per: 'function' },
    ],
  ])('is read from %j', (limit, expected) => {
    expect(parseRateLimit(limit)).toEqual(expected)
  })

  it.each([
    '',
    '5',
    '5/',
    '/minute',
    '5/minutes',
    '5/fortnight',
    '-5/minute',
    '0/minute',
    '1.5/minute',
    '5/0s',
    '5/25h',
    '1000000/day',
  ])('is refused from %j', limit => {
    expect(() => parseRateLimit(limit)).toThrow(/is not a rate limit: /)
  })
})

it.each([
  ['a folder for the site', { site: 'public' }, "site: { directory: 'public' }"],
  ['a file for a function', { functions: { f: 'f.ts' } }, "f: { entry: 'f.ts' }"],
])('%s is shown as the object that is wanted', (_what, settings, hint) => {
  expect(errorOf({ name: 'a', ...settings }).hint).toBe(hint)
})
