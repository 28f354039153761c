// What activations cost the edge: node benchmarks/edge-release.mjs [runs] [seconds]
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { load, warmUp } from './edge/load.mjs'
import { startEdge, writeCertificate } from './edge/servers.mjs'
import { argumentsOf } from './support/arguments.mjs'
import { median, show, table } from './support/numbers.mjs'
import { progress, runIfMain } from './support/report.mjs'

const LARGE = fileURLToPath(new URL('./edge/activate-large.mjs', import.meta.url))
const FILES = 100_000
const SMALL_SITE_FILES = 200

export async function measure() {
  const [runs = 7, seconds = 3] = argumentsOf(import.meta.url).map(Number)
  const folder = mkdtempSync(join(tmpdir(), 'moka-benchmark-'))
  try {
    const large = measureLarge(folder, runs)
    const small = await measureSmall(folder, runs, seconds)
    return `## Edge: releases that go live

A release of ${FILES} files, with two encodings each: a new worker process reads its manifest, checks its hash and
serves it. Memory is what the process's proportional set size grew by, less the manifest's own
${Math.round(large.manifestBytes)} octets a file.

${table(large.rows)}

Latency of hits of 1 KB over 8 connections while a release of ${SMALL_SITE_FILES} files goes live every 100 ms,
and at rest; ${runs} runs of ${seconds} s each, in turn. The ratio is the median of those of neighbours.

${small}`
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  }
}

function measureLarge(folder, runs) {
  const results = []
  for (let run = 0; run < runs; run++) {
    progress(`edge, a release of ${FILES} files, run ${run + 1} of ${runs}`)
    const args = [LARGE, FILES, folder].map(String)
    results.push(JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })))
  }
  const of = figure => results.map(result => result[figure])
  return {
    manifestBytes: results[0].manifestBytes,
    rows: [
      { what: 'activation in a worker', values: of('ms'), unit: 'ms', target: 300 },
      { what: '… processor time', values: of('cpuMs'), unit: 'ms' },
      { what: 'memory of a file', values: of('beyondBytes'), unit: 'octets', target: 100 },
    ],
  }
}

async function measureSmall(folder, runs, seconds) {
  const site = mkdtempSync(join(folder, 'site-'))
  for (let i = 0; i < SMALL_SITE_FILES; i++) writeFileSync(join(site, `${i}.txt`), 'x'.repeat(1024))
  await writeCertificate(site)
  const server = await startEdge(site, 'own')
  try {
    const path = '/1.txt'
    await warmUp(server, path, {}, 20_000)
    const results = { rest: [], activating: [] }
    for (let run = 0; run < runs; run++) {
      progress(`edge, a release every 100 ms, run ${run + 1} of ${runs}`)
      for (const state of ['rest', 'activating']) {
        if (state === 'activating') process.kill(server.pid, 'SIGUSR2')
        results[state].push(await load(server, path, { seconds, connections: 8 }))
        if (state === 'activating') process.kill(server.pid, 'SIGUSR2')
      }
    }
    const middle = (state, figure) => median(results[state].map(result => result[figure]))
    const ratio = median(
      results.activating.map((each, run) => each.p99Ms / results.rest[run].p99Ms),
    )
    const row = (what, state, ratio = '', verdict = '') =>
      `| ${[what, show(middle(state, 'cpuMicros')), show(middle(state, 'p50Ms')), show(middle(state, 'p99Ms')), ratio, verdict].join(' | ')} |`
    return [
      '| | CPU µs | p50 ms | p99 ms | p99 / at rest | target |',
      '| - | -----: | -----: | -----: | ------------: | -----: |',
      row('at rest', 'rest'),
      row(
        'a release every 100 ms',
        'activating',
        show(ratio),
        `2${ratio > 2 ? ' **missed**' : ''}`,
      ),
    ].join('\n')
  } finally {
    server.stop()
  }
}

await runIfMain(import.meta.url, measure)
