import { Resolver } from 'node:dns/promises'
import { cp, readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, extname, join } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Answer, ask, portOf } from '../support/http.ts'
import {
  moka,
  remove,
  startUp,
  type TestCloud,
  temporaryFolder,
  writeProject,
} from '../support/moka.ts'

// A site that nobody here wrote: the built one of the npm package startbootstrap-resume (MIT),
// deployed as it is and read back as a visitor reads it: name → address → edge.

const DOMAIN = 'resume.example'
const DIST = join(
  dirname(createRequire(import.meta.url).resolve('startbootstrap-resume/package.json')),
  'dist',
)

/** As the IANA registry and the HTML standard have them; not taken from the table under test. */
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.ico': 'image/vnd.microsoft.icon',
  '.jpg': 'image/jpeg',
}

interface Original {
  /** The URL path under which it is read. */
  path: string
  type: string
  bytes: Buffer
}

let home: string
let folder: string
let cloud: TestCloud
let deployed: { files: { added: number }; confirmedBy: string[] }
const originals: Original[] = []

beforeAll(async () => {
  home = await temporaryFolder('home')
  folder = await temporaryFolder('resume')
  await cp(DIST, join(folder, 'dist'), { recursive: true })
  await writeProject(folder, {
    'moka.config.ts': `export default { name: 'resume', domain: '${DOMAIN}' }\n`,
  })
  for (const entry of await readdir(DIST, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = join(entry.parentPath, entry.name)
    const path = file.slice(DIST.length)
    originals.push({
      path: path === '/index.html' ? '/' : path,
      type: TYPES[extname(path)] ?? `no expectation for ${path}`,
      bytes: await readFile(file),
    })
  }
  cloud = await startUp(home)
  const result = await moka(['deploy', '--json'], { cwd: folder, env: { MOKA_HOME: home } })
  expect(result).toMatchObject({ code: 0 })
  deployed = JSON.parse(result.stdout)
})

afterAll(async () => {
  await cloud?.stop()
  await remove(home)
  await remove(folder)
})

/** Reads a path as a visitor does: asks our DNS for the name, then the edge at that address. */
async function visit(path: string, headers: Record<string, string> = {}): Promise<Answer> {
  const resolver = new Resolver({ timeout: 2000, tries: 2 })
  resolver.setServers([cloud.addresses.dns])
  const [address] = await resolver.resolve4(DOMAIN)
  const site = `http://${address}:${portOf(cloud.addresses.site)}`
  return ask(site, path, { host: DOMAIN, headers })
}

test('the deploy counts every file of the package and every edge worker confirms', () => {
  expect(originals.length).toBeGreaterThan(4)
  expect(deployed.files.added).toBe(originals.length)
  expect(deployed.confirmedBy.length).toBeGreaterThan(0)
})

test('every file comes back byte for byte, with the right media type', async () => {
  for (const { path, type, bytes } of originals) {
    const answer = await visit(path)
    expect(answer, path).toMatchObject({
      status: 200,
      headers: { 'content-type': type, 'content-length': String(bytes.length) },
    })
    expect(answer.headers['content-encoding'], path).toBeUndefined()
    expect(answer.body.equals(bytes), `bytes of ${path}`).toBe(true)
  }
})

describe.each([
  ['br', brotliDecompressSync],
  ['gzip', gunzipSync],
] as const)('with Accept-Encoding: %s', (coding, decode) => {
  test('every file decodes to the same bytes, and text is sent smaller', async () => {
    const encoded = new Set<string>()
    for (const { path, type, bytes } of originals) {
      const answer = await visit(path, { 'accept-encoding': coding })
      expect(answer, path).toMatchObject({ status: 200, headers: { 'content-type': type } })
      const isEncoded = answer.headers['content-encoding'] === coding
      if (isEncoded) {
        encoded.add(extname(path === '/' ? '/index.html' : path))
        expect(answer.headers.vary, path).toMatch(/accept-encoding/i)
        expect(answer.body.length, path).toBeLessThan(bytes.length)
      } else expect(answer.headers['content-encoding'], path).toBeUndefined()
      const whole = isEncoded ? decode(answer.body) : answer.body
      expect(whole.equals(bytes), `bytes of ${path}`).toBe(true)
    }
    expect([...encoded]).toEqual(expect.arrayContaining(['.html', '.css', '.js']))
    expect(encoded.has('.jpg')).toBe(false)
  })
})

test('a visitor that has a file gets 304 by its ETag, and the file again by another one', async () => {
  for (const { path, bytes } of originals) {
    const { etag } = (await visit(path)).headers
    expect(etag, path).toMatch(/^"[^"]+"$/)
    const same = await visit(path, { 'if-none-match': etag! })
    expect(same, path).toMatchObject({ status: 304, headers: { etag } })
    expect(same.body.length, path).toBe(0)
    const other = await visit(path, { 'if-none-match': '"another"' })
    expect(other.status, path).toBe(200)
    expect(other.body.equals(bytes), `bytes of ${path}`).toBe(true)
  }
})

test('parts of every file come back by range, also as the last bytes', async () => {
  for (const { path, type, bytes } of originals) {
    const middle = Math.floor(bytes.length / 2)
    const part = await visit(path, { range: `bytes=${middle}-${middle + 9}` })
    expect(part, path).toMatchObject({
      status: 206,
      headers: {
        'content-type': type,
        'content-range': `bytes ${middle}-${Math.min(middle + 9, bytes.length - 1)}/${bytes.length}`,
      },
    })
    expect(part.body.equals(bytes.subarray(middle, middle + 10)), path).toBe(true)
    const last = await visit(path, { range: 'bytes=-7' })
    expect(last.body.equals(bytes.subarray(-7)), path).toBe(true)
  }
})

test('www is the same site, and the index has one address only', async () => {
  const resolver = new Resolver({ timeout: 2000, tries: 2 })
  resolver.setServers([cloud.addresses.dns])
  expect(await resolver.resolve4(`www.${DOMAIN}`)).toEqual(await resolver.resolve4(DOMAIN))
  const www = await ask(cloud.addresses.site, '/', { host: `www.${DOMAIN}` })
  expect(www.body.equals((await visit('/')).body)).toBe(true)
  expect(await visit('/index.html')).toMatchObject({ status: 301, headers: { location: '/' } })
})
