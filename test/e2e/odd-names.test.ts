import { createHash } from 'node:crypto'
import { mkdir, open, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { closeOwnCloud, deployFrom, type OwnCloud, openOwnCloud } from '../support/deploying.ts'
import { ask } from '../support/http.ts'
import { writeProject } from '../support/moka.ts'

// Names that others' tools lose, and files that are too small or too large for them, from the folder
// to the visitor byte for byte.

const HOST = 'site.example'
const LARGE_BYTES = 200 * 1024 * 1024

const NAMES = [
  '/plain.txt',
  '/with space.txt',
  '/ leading and trailing .txt ',
  '/100%.txt',
  '/percent%2Fslash%41.txt',
  '/a+b.txt',
  '/a&b=c;d,e.txt',
  '/question?mark.txt',
  '/hash#mark.txt',
  '/quotes\'".txt',
  '/[brackets]{braces}(parentheses).txt',
  '/tilde~at@colon:star*.txt',
  '/Case.txt',
  '/case.txt',
  '/ümläut/größe.txt',
  '/日本語/写真 1.txt',
  '/emoji-😀.txt',
  '/right-to-left-עברית.txt',
  '/dots...txt',
  '/dot.in.folder/no-extension',
  `/${'long'.repeat(60)}.txt`,
  '/.well-known/security.txt',
  '/.well-known/acme/deep.txt',
  '/__proto__',
  '/constructor/toString',
]
const HIDDEN = ['/.env', '/.git/config', '/folder/.hidden', '/.htaccess']

let own: OwnCloud | undefined
let site: string

beforeAll(async () => {
  own = await openOwnCloud('odd-names')
  const project = join(own.root, 'site')
  await writeProject(project, {})
  for (const path of [...NAMES, ...HIDDEN]) await write(project, path, `content of ${path}\n`)
  await write(project, '/empty.txt', '')
  await write(project, '/empty/index.html', '')
  await writeLarge(join(project, 'dist/large.bin'))
  await deployFrom(project, own.client)
  site = own.cloud.addresses.site
}, 120_000)

afterAll(() => closeOwnCloud(own))

async function write(project: string, path: string, content: string): Promise<void> {
  const file = join(project, 'dist', path)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, content)
}

/** Holes, and at each 10 MB something that is nowhere else. */
async function writeLarge(path: string): Promise<void> {
  const file = await open(path, 'w')
  await file.truncate(LARGE_BYTES)
  for (let at = 0; at < LARGE_BYTES; at += 10_000_000) await file.write(`at ${at}`, at)
  await file.close()
}

const urlOf = (path: string) => path.split('/').map(encodeURIComponent).join('/')
const visit = (path: string) => ask(site, path, { host: HOST })

test.each(NAMES)('%j is served as it was written', async path => {
  const answer = await visit(urlOf(path))
  expect([answer.status, answer.body.toString()]).toEqual([200, `content of ${path}\n`])
})

test.each(HIDDEN)('%s is not served', async path => {
  expect((await visit(path)).status).toBe(404)
})

test('files of no bytes are served as such', async () => {
  for (const path of ['/empty.txt', '/empty/']) {
    const answer = await visit(path)
    expect([answer.status, answer.body.length]).toEqual([200, 0])
    expect(answer.headers['content-length']).toBe('0')
  }
})

test('the manifest names each file by its path, and the cloud lists them all', async () => {
  const { manifest } = (await own!.client.live('site'))!
  const paths = [...NAMES, '/empty.txt', '/empty/index.html', '/large.bin']
  expect(Object.keys(manifest.files).sort()).toEqual(paths.sort())
})

test('a file of 200 MB comes back byte for byte, whole and in part', async () => {
  const { manifest } = (await own!.client.live('site'))!
  const hash = createHash('sha256')
  let sizeBytes = 0
  await new Promise<void>((resolve, reject) => {
    const url = new URL('/large.bin', site)
    get(url, { headers: { host: HOST } }, response => {
      response.on('data', (chunk: Buffer) => {
        hash.update(chunk)
        sizeBytes += chunk.length
      })
      response.on('end', resolve)
      response.on('error', reject)
    }).on('error', reject)
  })
  expect(sizeBytes).toBe(LARGE_BYTES)
  expect(hash.digest('hex')).toBe(manifest.files['/large.bin']?.sha256)
  const headers = { range: 'bytes=150000000-150000011' }
  const part = await ask(site, '/large.bin', { host: HOST, headers })
  expect([part.status, part.body.toString()]).toEqual([206, 'at 150000000'])
})

test('a second deploy finds nothing that differs', async () => {
  const { plan, activated } = await deployFrom(join(own!.root, 'site'), own!.client)
  expect([plan.changes, activated]).toEqual([[], undefined])
})
