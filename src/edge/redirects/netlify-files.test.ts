// Texts in the form that Netlify's documentation shows, through Netlify's own parsers.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAllHeaders } from '@netlify/headers-parser'
import { parseAllRedirects } from '@netlify/redirect-parser'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { EdgeRelease, HeaderRule, RedirectRule } from '../release.ts'
import { type EdgeFixture, openEdgeFixture } from '../testing/edge-fixture.ts'
import { openOriginServer } from '../testing/origin-server.ts'

let fixture: EdgeFixture
let directory: string
beforeEach(async () => {
  fixture = await openEdgeFixture()
  directory = await mkdtemp(join(tmpdir(), 'moka-netlify-'))
})
afterEach(async () => {
  await fixture.close()
  await rm(directory, { recursive: true })
})

async function redirectsOf(text: string): Promise<RedirectRule[]> {
  const path = join(directory, '_redirects')
  await writeFile(path, text)
  const { redirects, errors } = await parseAllRedirects({
    redirectsFiles: [path],
    configRedirects: [],
    minimal: false,
  })
  expect(errors).toEqual([])
  return JSON.parse(JSON.stringify(redirects)) as RedirectRule[]
}

async function headersOf(text: string): Promise<HeaderRule[]> {
  const path = join(directory, '_headers')
  await writeFile(path, text)
  const { headers, errors } = await parseAllHeaders({
    headersFiles: [path],
    configHeaders: [],
    minimal: true,
  })
  expect(errors).toEqual([])
  return headers
}

async function deployRedirects(text: string, files: Record<string, string>): Promise<void> {
  fixture.deploy({ files, redirects: await redirectsOf(text), routes: ROUTES })
}

const ROUTES: EdgeRelease['routes'] = [{ pattern: '/api/*', function: 'echo' }]

async function answerTo(path: string, headers: Record<string, string> = {}): Promise<string> {
  const response = await fixture.get(path, { headers })
  return `${response.status} ${response.headers.location ?? response.text}`
}

test('redirects, rewrites, splats, placeholders and custom 404 pages', async () => {
  await deployRedirects(
    `
# Basic
/home              /
/blog/my-post.php  /blog/my-post
/google            https://www.google.com
/my-redirect       /temporary      302   # a comment
/pass-through      /index.html     200
/ecommerce         /store-closed   404
/news/:month/:date/:year/:slug  /blog/:year/:month/:date/:slug
/docs/*            /guide/:splat   308
/en/*              /en/404.html    404
`,
    {
      '/index.html': 'index',
      '/store-closed.html': 'closed',
      '/en/404.html': 'not in English',
      '/404.html': 'lost',
    },
  )
  expect(await answerTo('/home')).toBe('301 /')
  expect(await answerTo('/blog/my-post.php')).toBe('301 /blog/my-post')
  expect(await answerTo('/google?q=1')).toBe('301 https://www.google.com/?q=1')
  expect(await answerTo('/my-redirect')).toBe('302 /temporary')
  expect(await answerTo('/pass-through')).toBe('200 index')
  expect(await answerTo('/ecommerce')).toBe('404 closed')
  expect(await answerTo('/news/02/12/2004/my-story')).toBe('301 /blog/2004/02/12/my-story')
  expect(await answerTo('/docs/a/b')).toBe('308 /guide/a/b')
  expect(await answerTo('/en/nowhere')).toBe('404 not in English')
  expect(await answerTo('/nowhere')).toBe('404 lost')
})

test('a single-page application: files win over the catch-all, and ! turns that round', async () => {
  await deployRedirects('/closed /index.html 200!\n/* /index.html 200', {
    '/index.html': 'app',
    '/closed.html': 'was open',
    '/app.js': 'js',
  })
  expect(await answerTo('/')).toBe('200 app')
  expect(await answerTo('/app.js')).toBe('200 js')
  expect(await answerTo('/some/view')).toBe('200 app')
  expect(await answerTo('/closed')).toBe('200 app')
})

test('query parameters as the production network treats them', async () => {
  fixture.onFunction((request, response) => response.end(`function saw ${request.url}`))
  await deployRedirects(
    `
/rpc/*      /api/echo?a=1&a=2  200
/foo        /                  302
/bar        /?a=1&a=2          302
/test id=:id  /?param=:id
`,
    { '/index.html': 'home' },
  )
  expect(await answerTo('/rpc/x?b=3')).toBe('200 function saw /api/echo?b=3')
  expect(await answerTo('/foo?ping=pong')).toBe('302 /?ping=pong')
  expect(await answerTo('/bar?ping=pong')).toBe('302 /?a=1&a=2')
  expect(await answerTo('/test?id=1')).toBe('301 /?param=1')
})

test('conditions on language and cookie', async () => {
  await deployRedirects(
    `
/       /de/index.html  200!  Language=de,at
/*      /beta/:splat    302!  Cookie=is_beta,preview
`,
    { '/index.html': 'home', '/de/index.html': 'daheim' },
  )
  expect(await answerTo('/', { 'accept-language': 'de-CH, en;q=0.8' })).toBe('200 daheim')
  expect(await answerTo('/', { 'accept-language': 'en' })).toBe('200 home')
  expect(await answerTo('/x', { cookie: 'preview=1' })).toBe('302 /beta/x')
})

test('a 200 to another site is that site, under this address', async () => {
  const other = await openOriginServer()
  other.onRequest((request, response) => {
    response.writeHead(203).end(`${request.method} ${request.headers.host}${request.url}`)
  })
  const host = new URL(other.url).host
  await deployRedirects(
    `
/cdn/*   ${other.url}/base/:splat  200
/fixed   ${other.url}/a?b=c        200
`,
    { '/index.html': 'home' },
  )
  expect(await answerTo('/cdn/a%20b?q=1')).toBe(`203 GET ${host}/base/a%20b?q=1`)
  expect(await answerTo('/fixed?q=1')).toBe(`203 GET ${host}/a?b=c`)
  await other.close()
  expect(await answerTo('/cdn/a')).toMatch(/^502 /)
})

test('rules and pretty URLs never send a visitor round in circles', async () => {
  await deployRedirects(
    `
/about       /about/       301!
/team        /team.html    301!
/index.html  /             301!
/*           /:splat/      301
`,
    { '/index.html': 'home', '/about.html': 'about', '/team.html': 'team' },
  )
  for (const start of ['/', '/index.html', '/about', '/about/', '/team', '/team.html', '/none']) {
    let path = start
    let hops = 0
    for (; hops < 5; hops++) {
      const response = await fixture.get(path)
      if (response.status < 300 || response.status >= 400) break
      path = response.headers.location as string
    }
    expect(hops, start).toBeLessThan(3)
  }
})

test('headers: rules merge, repeated names join, later rules win, ours cannot be set', async () => {
  const headers = await headersOf(`
# a path
/*
  X-Frame-Options: DENY
  X-Robots-Tag: noindex
  Link: </a.css>; rel=preload
  Link: </b.css>; rel=preload
/templates/*
  X-Robots-Tag: all
  Content-Length: 5
  ETag: "mine"
  X-Moka-Release: r-0
  Vary: Cookie
/static/*.css
  Cache-Control: public, max-age=600
/blog/:year/index
  X-Year: yes
`)
  fixture.deploy({
    files: {
      '/index.html': 'home',
      '/templates/a.html': 'template',
      '/static/deep/x.css': 'a{}',
      '/static/x.js': 'x',
      '/blog/2024/index': 'year',
    },
    headers,
  })
  expect((await fixture.get('/')).headers).toMatchObject({
    'x-frame-options': 'DENY',
    'x-robots-tag': 'noindex',
    link: '</a.css>; rel=preload, </b.css>; rel=preload',
    'x-content-type-options': 'nosniff',
  })
  const template = await fixture.get('/templates/a')
  expect(template.text).toBe('template')
  expect(template.headers).toMatchObject({
    'x-robots-tag': 'all',
    'content-length': '8',
    'x-moka-release': 'r-1',
    vary: 'Accept-Encoding, Cookie',
  })
  expect(template.headers.etag).not.toBe('"mine"')
  expect(fixture.log.filter(line => line.includes('header rule'))).toHaveLength(3)
  const css = await fixture.get('/static/deep/x.css')
  expect(css.headers['cache-control']).toBe('public, max-age=600')
  const js = await fixture.get('/static/x.js')
  expect(js.headers['cache-control']).toBe('public, max-age=0, must-revalidate')
  expect((await fixture.get('/blog/2024/index')).headers['x-year']).toBe('yes')
})

test('Basic-Auth locks its paths and shows its password to nobody', async () => {
  const headers = await headersOf('/secret/*\n  Basic-Auth: ana:apple bob:b\n')
  fixture.deploy({
    files: { '/secret/index.html': 'told', '/index.html': 'home' },
    headers,
    redirects: [{ from: '/secret/old', path: '/secret/old', to: '/secret/new', force: true }],
  })
  const basic = (pair: string) => ({
    authorization: `Basic ${Buffer.from(pair).toString('base64')}`,
  })
  for (const path of ['/secret/', '/secret', '/secret/old', '/SECRET/']) {
    const closed = await fixture.get(path)
    expect(closed.status, path).toBe(401)
    expect(closed.headers['www-authenticate']).toMatch(/^Basic realm=/)
  }
  expect((await fixture.get('/secret/', { headers: basic('ana:b') })).status).toBe(401)
  const open = await fixture.get('/secret/', { headers: basic('bob:b') })
  expect(open).toMatchObject({ status: 200, text: 'told' })
  expect(open.headers['cache-control']).toBe('private, no-cache')
  expect(JSON.stringify(open.headers)).not.toContain('apple')
  expect((await fixture.get('/')).status).toBe(200)
})

test('Basic-Auth for a file locks its page under its URL', async () => {
  const rules = '/plan.html\n  Basic-Auth: a:b\n/team/index.html\n  Basic-Auth: a:b\n'
  fixture.deploy({
    files: { '/plan.html': 'plan', '/team/index.html': 'team', '/index.html': 'home' },
    headers: await headersOf(rules),
    redirects: await redirectsOf('/en/* /:splat 200\n'),
  })
  const headers = { authorization: `Basic ${Buffer.from('a:b').toString('base64')}` }
  for (const path of ['/plan', '/plan', '/team/', '/en/plan', '/en/team/', '/plan.html']) {
    expect((await fixture.get(path)).status, path).toBe(401)
  }
  expect((await fixture.get('/plan', { headers })).text).toBe('plan')
  expect((await fixture.get('/plan')).status).toBe(401)
  expect((await fixture.get('/')).text).toBe('home')
})

test('a password goes to no other site, and an Authorization that opens no lock does', async () => {
  const other = await openOriginServer()
  other.onRequest((request, response) => response.end(`${request.headers.authorization ?? '-'}`))
  const authorization = `Basic ${Buffer.from('a:b').toString('base64')}`
  fixture.deploy({
    files: {},
    headers: await headersOf('/locked/*\n  Basic-Auth: a:b\n'),
    redirects: await redirectsOf(
      `/locked/* ${other.url}/:splat 200\n/open/* ${other.url}/:splat 200\n`,
    ),
  })
  const get = (path: string) => fixture.get(path, { headers: { authorization } })
  expect((await fixture.get('/locked/x')).status).toBe(401)
  expect((await get('/locked/x')).text).toBe('-')
  expect((await fixture.get('/locked/x')).status).toBe(401)
  expect((await get('/open/x')).text).toBe(authorization)
  await other.close()
})

test('a rewrite leads around no lock', async () => {
  fixture.deploy({
    files: { '/secret/index.html': 'told', '/admin.html': 'page', '/open.html': 'open' },
    headers: await headersOf('/secret/*\n  Basic-Auth: a:b\n/admin\n  Basic-Auth: a:b\n'),
    redirects: await redirectsOf('/en/* /:splat 200\n/by id=:id /:id 200\n'),
  })
  for (const path of ['/en/secret/', '/en/secret/index.html', '/by?id=secret/', '/en/admin.html']) {
    expect((await fixture.get(path)).status, path).toBe(401)
  }
  const authorization = `Basic ${Buffer.from('a:b').toString('base64')}`
  const open = await fixture.get('/en/secret/', { headers: { authorization } })
  expect(open).toMatchObject({ status: 200, text: 'told' })
  expect(open.headers['cache-control']).toBe('private, no-cache')
  expect((await fixture.get('/en/open')).text).toBe('open')
})
