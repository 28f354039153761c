// One worker's activations of a release of many files, as JSON: node activate-large.mjs COUNT FOLDER

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createEdge } from '../../dist/edge/edge.js'
import { settledPssBytes } from '../support/memory.mjs'
import { activate, manifestBytes } from './activation.mjs'

const [count, folder, isWriter] = process.argv.slice(2)
const manifestFile = join(folder, 'manifest.json')

if (isWriter !== undefined) {
  const hash = () => randomBytes(32).toString('hex')
  const files = Array.from({ length: Number(count) }, (_, number) => {
    const encoded = { br: { sha256: hash(), size: 900 }, gzip: { sha256: hash(), size: 1000 } }
    const file = { sha256: hash(), size: 3000, type: 'text/html; charset=utf-8', encoded }
    return [`/posts/${2000 + (number % 26)}/a-title-of-some-length-${number}/index.html`, file]
  })
  writeFileSync(manifestFile, manifestBytes('r-1', files))
} else {
  // In a process of its own: what making the manifest leaves behind is not the worker's.
  execFileSync(process.execPath, [fileURLToPath(import.meta.url), count, folder, 'write'])
  const silent = () => {}
  const edge = createEdge({
    blobs: { path: sha256 => join(folder, sha256) },
    functions: { fetch: () => Promise.reject(new Error('there is no function')) },
    clock: { now: () => Date.now() },
    logger: { debug: silent, info: silent, warn: silent, error: silent },
    edgeId: 'e1',
  })
  const before = await settledPssBytes(process.pid)
  const startedMs = performance.now()
  const cpu = process.cpuUsage()
  await activate(edge, manifestFile)
  const ms = performance.now() - startedMs
  const { user, system } = process.cpuUsage(cpu)
  const after = await settledPssBytes(process.pid)
  const { size } = statSync(manifestFile)
  const beyondBytes = (after - before - size) / Number(count)
  process.stdout.write(
    JSON.stringify({ ms, cpuMs: (user + system) / 1000, beyondBytes, manifestBytes: size / count }),
  )
}
