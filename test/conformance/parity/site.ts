import type { RedirectRule } from '../../../src/edge/release.ts'

// The site that both sides serve: releases r-1 to r-3, of which r-3 is live.

const LONG = 'It is the same on both sides. '.repeat(200)

/** What r-3 has, by path; those of `EARLIER` lie in the folder of an earlier release. */
export const FILES: Readonly<Record<string, string>> = {
  '/index.html': '<h1>home</h1>',
  '/about.html': `<h1>about</h1>${LONG}`,
  '/docs/index.html': '<h1>docs</h1>',
  '/docs/guide.html': '<h1>guide</h1>',
  '/docs/index/index.html': '<h1>index of index</h1>',
  '/both.html': 'both, the page',
  '/both/index.html': 'both, the folder',
  '/name.html.html': 'twice html',
  '/404.html': `<h1>missing</h1>${LONG}`,
  '/force.html': 'behind a forced redirect',
  '/shadow.html': 'before a redirect',
  '/app.html': 'the app',
  '/gone.html': 'gone for good',
  '/assets/app-3.js': `console.log(3) // ${LONG}`,
  '/assets/style.css': 'body{color:red}',
  '/large.txt': LONG,
  '/small.txt': 'small',
  '/middle.txt': 'm'.repeat(500),
  '/data.bin': 'binary',
  '/no-extension': 'no extension',
  '/a b.txt': 'with a blank',
  '/plus+sign.txt': 'with a plus',
  '/50%.txt': 'with a percent sign',
  "/quote's.txt": 'with a quote',
  '/ünï/čaj.html': 'unicode',
  '/ünï/日本.txt': 'more unicode',
  '/.well-known/security.txt': 'security',
  '/double//slash.txt': 'unreachable name',
  '/locked/index.html': 'locked folder',
  '/locked/page.html': 'locked page',
  '/framed.html': 'may be framed by others',
  '/cors.json': '{"cors":true}',
}
export const IMMUTABLE = ['/assets/app-3.js', '/assets/app-2.js']
/** In whose folder of the bucket a file lies that did not change since. */
export const EARLIER: Readonly<Record<string, string>> = {
  '/about.html': 'r-1',
  '/404.html': 'r-2',
  '/large.txt': 'r-2',
}
/** What r-2 had besides: an old tab still asks for the first, and for the other nobody gets it. */
export const FILES_BEFORE: Readonly<Record<string, string>> = {
  '/assets/app-2.js': 'console.log(2)',
  '/removed.html': 'removed',
}
/** A preview of the site. */
export const PREVIEW_FILES: Readonly<Record<string, string>> = {
  '/index.html': '<h1>home, new</h1>',
  '/404.html': 'missing in the preview',
}
export const PREVIEW_PASSWORD = 'open sesame'

const rule = (
  from: string,
  to: string,
  status = 301,
  more: Partial<RedirectRule> = {},
): RedirectRule => ({
  from,
  path: from,
  to,
  status,
  force: false,
  query: {},
  conditions: {},
  ...more,
})

export const REDIRECTS: readonly RedirectRule[] = [
  rule('/old', '/about'),
  rule('/temporary', '/docs/', 302),
  rule('/see', '/docs/', 303),
  rule('/keep', '/docs/', 307),
  rule('/keep-forever', '/docs/', 308),
  rule('/force', '/about', 301, { force: true }),
  rule('/shadow', '/about'),
  rule('/blog/*', '/docs/:splat'),
  rule('/users/:id/edit', '/about?user=:id', 302),
  rule('/find', '/results/:q', 302, { query: { q: ':q' } }),
  rule('/fixed', '/about', 302, { query: { id: '5' } }),
  rule('/own-query', '/about?from=rule', 302),
  rule('/fragment', '/about#top', 302),
  rule('/elsewhere', 'https://Example.ORG:443/x', 301),
  rule('/elsewhere/*', 'https://example.org/in/:splat', 302),
  rule('/language', '/docs/', 302, { conditions: { Language: ['de'] } }),
  rule('/language', '/about', 302),
  rule('/country', '/docs/', 302, { conditions: { Country: ['DE'] } }),
  rule('/country', '/about', 302),
  rule('/cookie', '/docs/', 302, { conditions: { Cookie: ['beta'] } }),
  rule('/role', '/docs/', 302, { conditions: { Role: ['admin'] } }),
  rule('/host', '/docs/', 302, { host: 'other.test', scheme: 'https' }),
  rule('/host', '/about', 302, { host: 'site.test', scheme: 'https' }),
  rule('/loop', '/loop/'),
  rule('/app/*', '/app.html', 200),
  rule('/rewritten', '/docs/guide', 200),
  rule('/rewritten-lock', '/locked/page', 200),
  rule('/gone/*', '/gone.html', 410),
  rule('/missing/*', '/404.html', 404),
  rule('/nowhere', '/not-there', 200),
  rule('/proxied/*', 'https://127.0.0.1:1/:splat', 200),
  rule('/as-function/*', '/api/echo', 200),
  rule('/ünicode', '/about'),
]

export const HEADERS = [
  { for: '/*', values: { 'X-Site': 'yes', Link: '</assets/style.css>; rel=preload' } },
  { for: '/docs/*', values: { 'X-Docs': 'a', Vary: 'Accept-Language' } },
  { for: '/docs/guide', values: { 'X-Docs': 'b', 'X-Page': 'guide' } },
  { for: '/:one/guide', values: { 'X-Page': 'placeholder' } },
  { for: '/ABOUT', values: { 'Cache-Control': 'public, max-age=60' } },
  { for: '/missing/*', values: { 'Cache-Control': 'public, max-age=60' } },
  {
    for: '/framed',
    values: { 'Content-Security-Policy': "frame-ancestors 'self' https://a.test" },
  },
  { for: '/cors.json', values: { 'Access-Control-Allow-Origin': '*' } },
  { for: '/locked/*', values: { 'Basic-Auth': 'ann:one bob:two' } },
]

export const HSTS = { maxAgeSeconds: 600, includeSubDomains: true }
export const STATEMENT = JSON.stringify({ project: 'site', release: 'r-3', files: 3 }, null, 2)

/** Answers `/api/*` on both sides: what is asked, and CORS as a function does it. */
export function functionAnswer(method: string, path: string, query: string) {
  const cors = { 'access-control-allow-origin': 'https://a.test' }
  if (method === 'OPTIONS') {
    const fields = {
      ...cors,
      'access-control-allow-methods': 'POST',
      'access-control-max-age': '5',
    }
    return { statusCode: 204, headers: fields }
  }
  const headers = { ...cors, 'content-type': 'application/json', 'cache-control': 'no-store' }
  return { statusCode: 200, headers, body: JSON.stringify({ method, path, query }) }
}
