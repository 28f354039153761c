import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { RedirectRule } from '../release.ts'
import { parseCookies } from './conditions.ts'
import { fillDestination } from './destination.ts'
import { compileRedirects, matchRedirect, type RedirectRequest } from './redirects.ts'

function outcome(
  rules: (Partial<RedirectRule> & { from: string; to: string })[],
  target: string,
  also: Partial<RedirectRequest> & { language?: string; cookie?: string; country?: string } = {},
) {
  const [path = '', query] = target.split('?')
  const compiled = compileRedirects(rules.map(rule => ({ path: rule.from, ...rule })))
  return matchRedirect(
    compiled,
    {
      path,
      query: query === undefined ? '' : `?${query}`,
      host: 'site.test',
      scheme: 'http',
      conditions: {
        acceptLanguage: also.language,
        cookies: parseCookies(also.cookie),
        country: also.country,
      },
      ...also,
    },
    other => other.replace(/\/$/, '') === path.replace(/\/$/, ''),
  )
}

const location = (...args: Parameters<typeof outcome>) => {
  const result = outcome(...args)
  return result.kind === 'redirect' ? `${result.status} ${result.location}` : result.kind
}

test.each([
  ['/home', '/', '/home', '301 /'],
  ['/home', '/', '/home/', '301 /'],
  ['/home/', '/', '/home', '301 /'],
  ['/home', '/', '/homes', 'none'],
  ['/home', '/', '/Home', 'none'],
  ['/news/*', '/blog/:splat', '/news/2024/a.html', '301 /blog/2024/a.html'],
  ['/news/*', '/blog/:splat', '/news', '301 /blog/'],
  ['/news/*', '/blog/:splat', '/newsletter', 'none'],
  ['/*', '/:splat', '/', 'none'],
  ['/news/:m/:d/:y/:slug', '/blog/:y/:m/:d/:slug', '/news/02/12/2004/x', '301 /blog/2004/02/12/x'],
  ['/news/:m', '/blog/:m', '/news/a/b', 'none'],
  ['/news/:m', '/blog/:m', '/news/', 'none'],
  ['/a', 'https://other.test/x', '/a', '301 https://other.test/x'],
  ['/a/*', 'https://other.test/:splat', '/a/b', '301 https://other.test/b'],
  ['/u/:name', 'https://:name.other.test/', '/u/ana', '301 https://ana.other.test/'],
  ['/a', '/b#part', '/a', '301 /b#part'],
  ['/%C3%BC', '/ue', '/ü', '301 /ue'],
  ['/ü', '/ü2', '/ü', '301 /%C3%BC2'],
])('%s → %s: %s gives %s', (from, to, path, expected) => {
  expect(location([{ from, to }], path)).toBe(expected)
})

test.each([
  ['a path that begins with slashes', '/out/*', '/:splat', '/out//evil.test', '301 /evil.test'],
  ['a host that is not a label', '/u/:n', 'https://:n.x.test/', '/u/evil.test?', 'none'],
  ['user information', '/u/:n', 'https://:n.x.test/', '/u/a@b', 'none'],
  ['a question mark', '/p/:n', '/q/:n', '/p/a?b', '301 /q/a?b'],
])('a capture makes no other site of a destination: %s', (_, from, to, path, expected) => {
  expect(location([{ from, to }], path)).toBe(expected)
})

test('captures are encoded for where they land', () => {
  const request = { path: '/p/a?b#c&d/é' }
  expect(location([{ from: '/p/*', to: '/q/:splat' }], '', request)).toBe(
    '301 /q/a%3Fb%23c&d/%C3%A9',
  )
  expect(location([{ from: '/p/*', to: '/q?x=:splat' }], '', request)).toBe(
    '301 /q?x=a%3Fb%23c%26d%2F%C3%A9',
  )
})

test('the first rule that matches wins', () => {
  const rules = [
    { from: '/jobs/ninja', to: '/careers/support' },
    { from: '/jobs/*', to: '/careers/:splat' },
  ]
  expect(location(rules, '/jobs/ninja')).toBe('301 /careers/support')
  expect(location(rules, '/jobs/other')).toBe('301 /careers/other')
})

test('the query goes along unless the destination brings its own', () => {
  expect(location([{ from: '/a', to: '/b', status: 302 }], '/a?x=1&y')).toBe('302 /b?x=1&y')
  expect(location([{ from: '/a', to: '/b?z=1' }], '/a?x=1')).toBe('301 /b?z=1')
  expect(location([{ from: '/a', to: 'https://o.test/b' }], '/a?x=1')).toBe(
    '301 https://o.test/b?x=1',
  )
})

test('query parameters are matched exactly, captured and spent', () => {
  const rule = { from: '/store', query: { id: ':id' }, to: '/blog/:id' }
  expect(location([rule], '/store?id=my-post')).toBe('301 /blog/my-post')
  expect(location([rule], '/store')).toBe('none')
  expect(location([rule], '/store?id=1&tag=2')).toBe('none')
  expect(location([rule], '/store?tag=2')).toBe('none')
  const two = { from: '/a', query: { id: ':id', tag: ':tag' }, to: '/p/:tag/:id' }
  expect(location([two], '/a?tag=t&id=i')).toBe('301 /p/t/i')
  const literal = { from: '/a', query: { kind: 'b' }, to: '/b' }
  expect(location([literal], '/a?kind=b')).toBe('301 /b')
  expect(location([literal], '/a?kind=c')).toBe('none')
})

test('a language condition looks at the first choice', () => {
  const rules = [
    { from: '/', to: '/de/', status: 302, conditions: { Language: ['de'] } },
    { from: '/', to: '/zh/', status: 302, conditions: { Language: ['zh-TW', 'zh-HK'] } },
  ]
  expect(location(rules, '/', { language: 'de-AT, en;q=0.5' })).toBe('302 /de/')
  expect(location(rules, '/', { language: 'en, de;q=0.9' })).toBe('none')
  expect(location(rules, '/', { language: 'en;q=0.1, DE;q=0.9' })).toBe('302 /de/')
  expect(location(rules, '/', { language: 'zh-hk' })).toBe('302 /zh/')
  expect(location(rules, '/', { language: 'zh' })).toBe('none')
  expect(location(rules, '/')).toBe('none')
  expect(location(rules, '/', { language: 'en', cookie: 'nf_lang=de' })).toBe('302 /de/')
})

test('a cookie condition asks whether one of the cookies is there', () => {
  const rules = [{ from: '/*', to: '/in/:splat', conditions: { Cookie: 'is_in,beta' } }]
  expect(location(rules, '/a', { cookie: 'x=1; beta=' })).toBe('301 /in/a')
  expect(location(rules, '/a', { cookie: 'x=beta' })).toBe('none')
})

test('country and role match only what is known', () => {
  const country = [{ from: '/', to: '/au', conditions: { Country: ['au', 'nz'] } }]
  expect(location(country, '/')).toBe('none')
  expect(location(country, '/', { country: 'nz' })).toBe('301 /au')
  expect(location(country, '/', { cookie: 'nf_country=AU' })).toBe('301 /au')
  expect(location([{ from: '/', to: '/x', conditions: { Role: ['admin'] } }], '/')).toBe('none')
})

test('a rule for a host or scheme is for that alone', () => {
  const rule = {
    from: 'http://blog.test/*',
    path: '/*',
    host: 'blog.test',
    scheme: 'http',
    to: 'https://www.test/blog/:splat',
  }
  expect(location([rule], '/a')).toBe('none')
  expect(location([rule], '/a', { host: 'blog.test' })).toBe('301 https://www.test/blog/a')
  expect(location([rule], '/a', { host: 'blog.test', scheme: 'https' })).toBe('none')
})

test('a rule that leads to where the visitor is, or to its slash form, is passed over', () => {
  expect(location([{ from: '/about', to: '/about/' }], '/about')).toBe('none')
  expect(location([{ from: '/about', to: '/about/' }], '/about/')).toBe('none')
  expect(location([{ from: '/*', to: 'http://site.test/:splat' }], '/a')).toBe('none')
  expect(location([{ from: '/*', to: 'https://site.test/:splat' }], '/a')).toBe(
    '301 https://site.test/a',
  )
  expect(location([{ from: '/a', to: '/a?x=1' }], '/a?x=1')).toBe('none')
  expect(location([{ from: '/a', to: '/a?x=1' }], '/a')).toBe('301 /a?x=1')
})

test('200 and 404 rewrite, and 200 to elsewhere is a proxy', () => {
  expect(outcome([{ from: '/*', to: '/index.html', status: 200, force: true }], '/x')).toEqual({
    kind: 'rewrite',
    status: 200,
    to: '/index.html',
    isForced: true,
  })
  expect(outcome([{ from: '/a', to: 'https://o.test/', status: 200 }], '/a').kind).toBe('proxy')
})

test('no capture turns a path into another site, or leaves printable ASCII', () => {
  const to = fc.constantFrom('/:splat', '/:a/:splat', '/x/:splat?q=:a#:a', '/:splat/:a')
  const text = fc.oneof(
    fc.string({ unit: fc.constantFrom(...'/\\.:@?#%\r\n\t ab') }),
    fc.string({ unit: 'binary' }),
  )
  fc.assert(
    fc.property(to, text, text, (template, splat, a) => {
      const captures = new Map([
        ['splat', splat],
        ['a', a],
      ])
      const filled = fillDestination(template, captures)
      if (filled.kind !== 'path') throw new Error(filled.kind)
      const location = `${filled.path}${filled.query}${filled.fragment}`
      expect(location).toMatch(/^\/(?![/\\])[\x21-\x7e]*$/)
      expect(new URL(location, 'http://site.test').host).toBe('site.test')
    }),
  )
})

test('passes over a rule that leads to the same page by its whole address, an empty query or not', () => {
  const rules = [{ from: '/home', to: 'http://site.test/home' }]
  expect([location(rules, '/home'), location(rules, '/home?')]).toEqual(['none', 'none'])
  expect(location(rules, '/home', { scheme: 'https' })).toBe('301 http://site.test/home')
})
