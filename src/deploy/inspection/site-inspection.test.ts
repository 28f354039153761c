import { describe, expect, it, test } from 'vitest'
import type { ReleaseDraft } from '../../releases/manifest.ts'
import { findSecrets } from './find-secrets.ts'
import { readReferences } from './html-references.ts'
import { SiteInspection } from './site-inspection.ts'

const HTML = 'text/html; charset=utf-8'
type Site = Parameters<SiteInspection['warnings']>[0]

function siteOf(paths: string[], more: Partial<Site> = {}): Site {
  const file = { sha256: '0'.repeat(64), size: 1, type: HTML }
  return {
    files: Object.fromEntries(paths.map(path => [path, file])),
    redirects: [],
    functions: {},
    ...more,
  }
}

function warningsOf(html: string, site: Site, path = '/index.html'): string[] {
  const inspection = new SiteInspection()
  inspection.read(path, HTML, Buffer.from(html))
  return inspection.warnings(site)
}

const visits = { routes: ['/api/*'] } as unknown as ReleaseDraft['functions'][string]

describe('a link', () => {
  const site = siteOf(
    ['/index.html', '/about.html', '/docs/index.html', '/docs/ü b.html', '/a.png'],
    {
      domain: 'latte.example',
      redirects: [
        { from: '/old/*', to: '/docs/:splat' },
        { from: 'https://www.latte.example/shop/:id', to: '/' },
      ],
      functions: { visits },
      behaviors: [
        { pattern: '/blog/*', origin: 'cms' },
        { pattern: '/private/*', origin: 'site' },
      ],
    },
  )
  it.each([
    ...['/', '/about', 'about', './about.html', '/docs', '/docs/', '#top', '?a=b', 'docs/#x', ''],
    ...[
      '/docs/%C3%BC%20b',
      'docs/ü b',
      '/api/visits',
      '/old/a/b',
      '/shop/7',
      '/blog/post',
      'a.png',
    ],
    ...['https://latte.example/about', 'https://other.example/x', '//other.example/x'],
    ...['mailto:a@b.example', 'tel:+49', 'data:,x', 'javascript:void 0', '/{{ url }}'],
  ])('%s leads somewhere', link => {
    expect(warningsOf(`<a href="${link}">`, site)).toEqual([])
  })

  it.each([
    ...['/abuot', 'b.png', '/docs/x', 'https://www.latte.example/nothing', '/private/x'],
    ...['//latte.example/x', '/%ff'],
  ])('%s leads nowhere', link => {
    expect(warningsOf(`<a href="${link}">`, site)).toEqual([
      `"/index.html" links to "${link}", and there is nothing`,
    ])
  })

  it('is relative to the address of its page, not to its file', () => {
    const html = '<a href="a"><a href="../about">'
    expect(
      warningsOf(
        html,
        siteOf(['/docs/index.html', '/docs/a.html', '/about.html']),
        '/docs/index.html',
      ),
    ).toEqual([])
    expect(
      warningsOf(html, siteOf(['/docs.html', '/a.html', '/about.html']), '/docs.html'),
    ).toEqual([])
  })

  it('is nobody’s to judge where the page has a base', () => {
    expect(warningsOf('<base href="https://x.example/"><a href="y">', site)).toEqual([])
  })
})

it('of many warnings of one kind the first are shown, and how many more there are', () => {
  const html = Array.from({ length: 8 }, (_, index) => `<a href="/${index}">`).join('')
  const warnings = warningsOf(html, siteOf(['/index.html']))
  expect(warnings).toHaveLength(6)
  expect(warnings.at(-1)).toBe('… and 3 more like the one before')
})

test('what a page loads by plain HTTP is told, what it leads to is not', () => {
  const html = `<img src=http://a.example/x.png><a href="http://b.example"><LINK REL='stylesheet' HREF='http://c.example'>
    <link rel="canonical" href="http://d.example"><script src="http://e.example/?a&amp;b"></script>`
  expect(readReferences(html).insecure).toEqual([
    'http://a.example/x.png',
    'http://c.example',
    'http://e.example/?a&b',
  ])
})

test('what is no markup has no links', () => {
  const html = `<!-- <a href="/1"> --><script>'<a href="/2">'</script><style>a{}</style>
    <a title='<a href="/3">' href="/4"><img srcset="/5 1x, /6 2x" src="/7"><a href = /8 >`
  expect(readReferences(html).links).toEqual(['/4', '/7', '/5', '/6', '/8'])
})

test.each([
  ['an AWS access key', `key = "AKIA${'Q'.repeat(16)}"`],
  ['a private key', '-----BEGIN RSA PRIVATE KEY-----'],
  ['a GitHub token', `ghp_${'a'.repeat(36)}`],
  ['a database address with its password', 'postgres://app:hunter2@db.example/app'],
])('%s is seen', (what, text) => {
  expect(findSecrets(`first\n${text}`)).toEqual([{ what, line: 2 }])
})

test.each([
  'AKIAIOSFODNN7EXAMPLE',
  'postgres://user:password@localhost/db',
  `postgres://\${user}:\${password}@host`,
  '-----BEGIN PUBLIC KEY-----',
  `sha256-${'A'.repeat(43)}=`,
])('%s is no secret', text => {
  expect(findSecrets(text)).toEqual([])
})

test('an image that visitors would wait for is told, with its size', () => {
  const inspection = new SiteInspection()
  inspection.note('/small.jpg', 'image/jpeg', 900_000)
  inspection.note('/huge.png', 'image/png', 4_404_019)
  inspection.note('/drawing.svg', 'image/svg+xml', 4_404_019)
  expect(inspection.warnings(siteOf([]))).toEqual([
    expect.stringContaining('"/huge.png" is an image of 4.2 MB'),
  ])
})

test.each(['<a ', '<a href="', '<!--', '<script>', "<a b='", '<a /', '<a\t', '<a "'])(
  'markup made to be slow, of %j, is read in good time',
  piece => {
    expect(readReferences(piece.repeat(200_000)).links).toEqual([])
  },
  20_000,
)
