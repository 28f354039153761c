import { mkdir, mkdtemp, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encodeContent, isWorthEncoding } from './encode.ts'
import { isFingerprinted } from './fingerprint.ts'
import { HashCache } from './hash-cache.ts'
import { readRules } from './rules.ts'
import { scanSite } from './scan.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'moka-deploy-'))
})
afterEach(() => rm(root, { recursive: true }))

async function write(path: string, content = path): Promise<string> {
  const absolute = join(root, path)
  await mkdir(dirname(absolute), { recursive: true })
  await writeFile(absolute, content)
  return absolute
}
const paths = async () => (await scanSite(join(root, 'site'))).map(file => file.path)

describe('the files of a site', () => {
  it('are all but dotfiles and the rule files, .well-known included', async () => {
    for (const path of ['index.html', 'a/b c/ü+%.txt', '.well-known/x', '_redirects', '_headers']) {
      await write(`site/${path}`)
    }
    for (const path of ['.env', '.git/config', 'a/.DS_Store', 'a/_headers'])
      await write(`site/${path}`)
    expect(await paths()).toEqual([
      '/.well-known/x',
      '/a/_headers',
      '/a/b c/ü+%.txt',
      '/index.html',
    ])
  })

  it('have composed names, as links to them do, and no name twice', async () => {
    await write('site/u\u0308.html')
    expect(await paths()).toEqual(['/\u00fc.html'])
    await write('site/\u00fc.html')
    await expect(paths()).rejects.toMatchObject({ code: 'DEPLOY_NAME_CLASH' })
  })

  it('follow links inside, and loops only once', async () => {
    await write('site/real/page.html')
    await symlink('real', join(root, 'site/alias'))
    await symlink('..', join(root, 'site/real/loop'))
    expect(await paths()).toEqual(['/alias/page.html', '/real/page.html'])
  })

  it.each([
    ['a file', 'secret.txt'],
    ['a folder', '.'],
  ])('do not include %s outside, by a link', async (_, target) => {
    await write('secret.txt')
    await write('site/index.html')
    await symlink(join('..', target), join(root, 'site/link'))
    await expect(paths()).rejects.toMatchObject({
      code: 'DEPLOY_LINK_OUTSIDE',
      message: expect.stringContaining('"/link"'),
    })
  })

  it.each([
    [
      'a link that leads nowhere',
      () => symlink('gone', join(root, 'site/x')),
      'DEPLOY_BROKEN_LINK',
    ],
    ['a name with a backslash', () => write('site/a\\b'), 'DEPLOY_BAD_NAME'],
    ['a name with a line feed', () => write('site/a\nb'), 'DEPLOY_BAD_NAME'],
    ['no folder at all', () => rm(join(root, 'site'), { recursive: true }), 'DEPLOY_SITE_MISSING'],
  ])('are refused with %s', async (_, prepare, code) => {
    await write('site/index.html')
    await prepare()
    await expect(paths()).rejects.toMatchObject({ code })
  })
})

describe('the hash cache', () => {
  const old = new Date('2026-01-01T00:00:00Z')
  const scanOne = async () => (await scanSite(join(root, 'site')))[0]!

  it('hashes a file again only when its size, time or inode differ', async () => {
    const path = await write('site/a', 'one')
    await utimes(path, old, old)
    const cachePath = join(root, '.moka/hash-cache.json')
    const first = await HashCache.open(cachePath)
    const sha256 = await first.hash(await scanOne(), Date.now())
    await first.save()
    // The same size and time: what the cache cannot see is what the cache answers.
    const { ino } = await stat(path)
    await writeFile(path, 'two')
    await utimes(path, old, old)
    expect((await stat(path)).ino).toBe(ino)
    const second = await HashCache.open(cachePath)
    expect(await second.hash(await scanOne(), Date.now())).toBe(sha256)
    await writeFile(path, 'three')
    expect(await second.hash(await scanOne(), Date.now())).not.toBe(sha256)
  })

  it('does not trust a file written within the clock tick of its hashing', async () => {
    await write('site/a', 'one')
    const cachePath = join(root, '.moka/hash-cache.json')
    const file = await scanOne()
    const first = await HashCache.open(cachePath)
    const sha256 = await first.hash(file, file.modifiedMs + 10)
    await first.save()
    await writeFile(file.absolutePath, 'two')
    const second = await HashCache.open(cachePath)
    expect(await second.hash(file, file.modifiedMs + 20)).not.toBe(sha256)
  })

  it('is empty when its file is damaged', async () => {
    await write('site/a')
    await write('.moka/hash-cache.json', '{"half')
    const cache = await HashCache.open(join(root, '.moka/hash-cache.json'))
    expect(await cache.hash(await scanOne(), Date.now())).toMatch(/^[0-9a-f]{64}$/)
  })
})

describe('a name that holds a hash', () => {
  it.each([
    '/css/main.3f2a9c1d0b.css',
    '/js/app-0a1b2c3d.js',
    '/js/app.0a1b2c3d.js.map',
    '/assets/index-DkLm1rSt.js',
    '/_astro/page.BxYz12_Q.css',
    '/_next/static/chunks/main-8f3c2a1b9d4e5f60.js',
  ])('is seen in %s', path => expect(isFingerprinted(path)).toBe(true))

  it.each([
    '/report-20240101.pdf',
    '/index.html',
    '/css/main.css',
    '/assets/background.png',
    '/assets/screenshot-large.png',
    '/js/jquery-3.6.0.min.js',
    '/deadbeef.html',
    '/notes/facade-feedface.html',
    '/3f2a9c1d0b',
  ])('is not seen in %s', path => expect(isFingerprinted(path)).toBe(false))
})

describe('encoded forms', () => {
  it('decode to the original, and are smaller', async () => {
    const content = Buffer.from('hello mokapot '.repeat(100))
    const { br, gzip } = await encodeContent(content)
    expect(brotliDecompressSync(br!.bytes)).toEqual(content)
    expect(gunzipSync(gzip!.bytes)).toEqual(content)
    expect(br!.bytes.length).toBeLessThan(content.length)
  })

  it('are made fast, and a little larger, where a deploy brings a lot', async () => {
    const words = ['bean', 'milk', 'cup', 'steam', 'grind', 'pour', 'foam', 'shot']
    const text = Array.from({ length: 3000 }, (_, i) => words[(i * i * 31 + (i >> 2)) % 8]).join(
      ' ',
    )
    const content = Buffer.from(text)
    const [best, fast] = await Promise.all([
      encodeContent(content),
      encodeContent(content, 100_000_000),
    ])
    expect(fast.br!.bytes.length).toBeGreaterThan(best.br!.bytes.length)
    expect(brotliDecompressSync(fast.br!.bytes).toString()).toBe(text)
  })

  it('are left out where they would be larger', async () => {
    const noise = Buffer.from(
      Array.from({ length: 300 }, (_, i) => (i * 7919 + (i >> 3) * 104729) & 255),
    )
    const { br, gzip } = await encodeContent(noise)
    for (const form of [br, gzip])
      if (form !== undefined) expect(form.bytes.length).toBeLessThan(300)
  })

  it('are not made of pictures, nor of very small files', () => {
    expect(isWorthEncoding('image/png', 10_000)).toBe(false)
    expect(isWorthEncoding('text/html; charset=utf-8', 100)).toBe(false)
    expect(isWorthEncoding('image/svg+xml; charset=utf-8', 10_000)).toBe(true)
  })
})

describe('rule files', () => {
  it('are read in Netlify’s syntax', async () => {
    await write(
      'site/_redirects',
      '/cv /about/ 301\n/old/* /new/:splat 302!\n/api/* https://api.example/:splat 200\n',
    )
    await write('site/_headers', '/*\n  X-One: 1\n  X-Two: 2\n')
    const { rules, warnings } = await readRules(join(root, 'site'))
    const { redirects, headers } = rules
    expect(warnings).toEqual([])
    expect(redirects).toMatchObject([
      { from: '/cv', to: '/about/', status: 301 },
      { from: '/old/*', to: '/new/:splat', status: 302, force: true },
      { from: '/api/*', to: 'https://api.example/:splat', status: 200 },
    ])
    expect(headers).toEqual([{ for: '/*', values: { 'X-One': '1', 'X-Two': '2' } }])
  })

  it('are none where there are none', async () => {
    await write('site/index.html')
    expect(await readRules(join(root, 'site'))).toEqual({
      rules: { redirects: [], headers: [] },
      warnings: [],
    })
  })

  it.each([
    ['_redirects', '/only-from', 'cannot read _redirects'],
    ['_headers', '/*\n  X-Empty:', 'cannot read _headers'],
  ])('are refused by name when %s says %j', async (name, content, text) => {
    await write(`site/${name}`, content)
    await expect(readRules(join(root, 'site'))).rejects.toThrow(text)
  })
})
