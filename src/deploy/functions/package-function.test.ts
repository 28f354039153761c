import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { unzipSync } from 'fflate'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { packageFunction } from './package-function.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'moka-package-'))
})
afterEach(() => rm(root, { recursive: true }))

async function pack(files: Record<string, string>, handler = 'handler') {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), content)
  }
  const entry = join(root, Object.keys(files)[0]!)
  const settings = { routes: ['/'], timeoutMs: 1000, memoryMb: 128, environment: {} }
  return packageFunction({ name: 'api', runtime: 'node', entry, handler, ...settings }, root)
}

test('CommonJS stays CommonJS, with what it imports, and finds where it stands', async () => {
  const { archive, handler } = await pack({
    'api.js': `const { word } = require('./word.mjs'); exports.handler = () => [word, __filename]`,
    'word.mjs': `export const word = typeof import.meta.url`,
  })
  expect(handler).toBe('index.handler')
  const files = unzipSync(archive)
  expect(Object.keys(files)).toEqual(['index.cjs'])
  const path = join(root, 'index.cjs')
  await writeFile(path, files['index.cjs']!)
  expect(createRequire(path)(path).handler()).toEqual(['string', path])
})

test('ES modules stay ES modules, also where they are named .js', async () => {
  const { archive } = await pack({ 'api.js': `export const handler = () => 1` })
  expect(Object.keys(unzipSync(archive))).toEqual(['index.mjs'])
})

test.each([
  ['has another', 'api.js', `exports.other = () => 1`, 'it exports "other"; name one as'],
  [
    'keeps it to itself',
    'api.cjs',
    `const handler = () => 1; module.exports = {}`,
    'define handler',
  ],
  ['only speaks of it', 'api.cjs', `// handler\nmodule.exports = require('node:fs')`, 'define'],
  ['has another, as an ES module', 'api.mjs', `export const other = 1`, 'it exports "other"'],
])('a module without the handler that %s is refused', async (_, path, source, hint) => {
  await expect(pack({ [path]: source })).rejects.toMatchObject({
    code: 'DEPLOY_HANDLER_MISSING',
    hint: expect.stringContaining(hint),
  })
})

test('CommonJS in a package of ES modules is refused as Node would, with what to do', async () => {
  const files = { 'api.js': `exports.handler = () => 1`, 'package.json': '{"type":"module"}' }
  await expect(pack(files)).rejects.toMatchObject({ hint: expect.stringContaining('.cjs') })
})
