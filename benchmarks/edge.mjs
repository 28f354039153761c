// Hits from memory beside other servers:
// node benchmarks/edge.mjs [runs] [seconds] [word of a load] | --quick [word of a load]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { load, warmUp } from './edge/load.mjs'
import {
  startCaddy,
  startEdge,
  startEdgeOnBun,
  startH2o,
  startNginx,
  startVarnish,
  writeCertificate,
} from './edge/servers.mjs'
import { pssBytes } from './support/memory.mjs'
import { median, show } from './support/numbers.mjs'
import { progress, runIfMain } from './support/report.mjs'

const SIZES_KB = [1, 10, 100]
/** Until compilers have done their work: counted in requests, whatever time the machine has for us. */
const WARM_UP_REQUESTS = {
  moka: 20_000,
  'moka on bun': 20_000,
  'moka (cached from an origin)': 20_000,
  'moka through node:http': 10_000,
}
const PEER = 'nginx (file)'
const ON_BUN = 'moka on bun'
/** On Bun, for all loads and sizes. */
const ON_BUN_TARGETS = { 'nginx (file)': 0.8, h2o: 1.05 }
const CACHED = 'moka (cached from an origin)'

/** Handshakes that count for nothing: Node's code for them is compiled only after thousands. */
const HANDSHAKES_BEFORE = 4_000

/** Targets are CPU per request, at most so many times that of a peer, by size in KB. */
const LOADS = [
  {
    title: 'HTTP/1.1',
    options: {},
    targets: {
      'nginx (file)': { 1: 0.95, 10: 0.95, 100: 1.1 },
      'nginx (proxy_cache)': { 1: 0.55, 10: 0.55, 100: 0.55 },
      varnish: { 1: 0.45, 10: 0.45, 100: 0.45 },
      caddy: { 1: 0.2, 10: 0.2, 100: 0.2 },
    },
  },
  {
    title: 'HTTP/1.1 over TLS',
    options: { scheme: 'https' },
    targets: { 'nginx (file)': { 1: 1, 10: 1, 100: 1 } },
  },
  {
    title: 'TLS handshakes in full, one request each',
    sizesKb: [1],
    options: { scheme: 'https', isOncePerConnection: true },
    warmUpRequests: HANDSHAKES_BEFORE,
    targets: { 'nginx (file)': { 1: 1.3 } },
  },
  {
    // h2o does not resume those of wrk, which says so only by what it costs.
    title: 'TLS handshakes by wrk, which resumes where the server does, one request each',
    sizesKb: [1],
    options: { scheme: 'https', fields: ['Connection: close'], connections: 16 },
    warmUpRequests: HANDSHAKES_BEFORE,
    targets: { 'nginx (file)': { 1: 1.3 } },
  },
  {
    title: 'HTTP/2 over TLS, 32 streams a connection',
    options: { scheme: 'https', streams: 32, connections: 8 },
    targets: { 'nginx (file)': { 1: 0.3, 10: 0.7, 100: 0.95 }, h2o: { 1: 1.2 } },
  },
  {
    title: 'HTTP/2 over TLS, one stream a connection',
    options: { scheme: 'https', streams: 1 },
    targets: { 'nginx (file)': { 1: 1, 10: 1, 100: 0.95 } },
  },
]

export async function measure() {
  // Started by itself it takes arguments; run.mjs has its own.
  const isMain = import.meta.url === pathToFileURL(process.argv[1]).href
  const given = isMain ? process.argv.slice(2) : []
  const [runs = 5, seconds = 2, word = ''] =
    given[0] === '--quick' ? [3, 1, ...given.slice(1)] : given
  const folder = mkdtempSync(join(tmpdir(), 'moka-benchmark-'))
  for (const size of SIZES_KB) writeFileSync(join(folder, `${size}.txt`), 'x'.repeat(size * 1024))
  await writeCertificate(folder)
  const servers = []
  try {
    const start = async (name, starting) => {
      const server = await starting
      if (server !== undefined) servers.push({ name, ...server })
    }
    await start(PEER, startNginx(folder, 'file'))
    await start('moka', startEdge(folder, 'own'))
    await start(ON_BUN, startEdgeOnBun(folder))
    await start('moka through node:http', startEdge(folder, 'node-http'))
    await start('nginx (proxy_cache)', startNginx(folder, 'cache'))
    if (servers[0]?.name === PEER) {
      await start(CACHED, startEdge(folder, 'own', servers[0].portOf.http))
      await start('varnish', startVarnish(folder, servers[0].portOf.http))
    }
    await start('h2o', startH2o(folder))
    await start('caddy', startCaddy(folder))
    const sections = []
    for (const each of LOADS.filter(({ title }) => title.includes(word))) {
      sections.push(await measureLoad(each, servers, Number(runs), Number(seconds)))
    }
    return `${introduction(runs, seconds)}\n\n${sections.join('\n\n')}`
  } finally {
    for (const server of servers) server.stop()
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  }
}

function introduction(runs, seconds) {
  return `## Edge: hits from memory

One core for the server, one for the load (wrk, h2load for HTTP/2); median of ${runs} interleaved runs
of ${seconds} s, after a warm-up. CPU is user and system time of the server process per request; ratios are
medians of those within each round. PSS is the memory of the server process after a run. nginx sends files by
sendfile, with an open-file cache. Handshakes: one P-256 certificate, X25519; ${HANDSHAKES_BEFORE} before the first run.`
}

async function measureLoad(each, servers, runs, seconds) {
  const { title, options, targets, warmUpRequests, sizesKb = SIZES_KB } = each
  const { scheme = 'http', streams } = options
  const measured = servers.filter(
    ({ name, portOf }) =>
      portOf[scheme] !== undefined && (streams === undefined || name !== 'moka through node:http'),
  )
  progress(`edge, ${title}, warming up`)
  for (const server of measured) {
    for (const size of sizesKb) await warmUp(server, `/${size}.txt`, options, 500)
    const requests = WARM_UP_REQUESTS[server.name]
    if (requests !== undefined) await warmUp(server, '/1.txt', options, requests)
    if (requests !== undefined && warmUpRequests !== undefined) {
      const once = { ...options, isOncePerConnection: true, requests: warmUpRequests }
      await load(server, '/1.txt', once)
    }
  }
  const results = new Map()
  for (let run = 0; run < runs; run++) {
    for (const size of sizesKb) {
      progress(`edge, ${title}, ${size} KB, run ${run + 1} of ${runs}`)
      // Each in turn, again and again: what the machine does besides meets all of them.
      for (const server of measured) {
        const key = `${server.name} ${size}`
        const result = await load(server, `/${size}.txt`, { ...options, seconds })
        result.megabytes = pssBytes(server.pid) / 1024 ** 2
        results.set(key, [...(results.get(key) ?? []), result])
      }
    }
  }
  const rows = sizesKb.flatMap(size =>
    measured.map(({ name }) => row(name, size, results, targets)),
  )
  return [
    `### ${title}`,
    '',
    '| server | KB | CPU µs | moka / it | target | on Bun / it | target | requests/s | p50 ms | p99 ms | PSS MB |',
    '| ------ | -: | -----: | --------: | -----: | ----------: | -----: | ---------: | -----: | -----: | -----: |',
    ...rows,
  ].join('\n')
}

function row(name, size, results, targets) {
  const of = results.get(`${name} ${size}`)
  const middle = figure => median(of.map(result => result[figure]))
  const compare = (ours, target) => {
    const runs = ours === name ? undefined : results.get(`${ours} ${size}`)
    if (runs === undefined) return ['', '']
    // Neighbours in time met the same machine.
    const ratio = median(runs.map((result, run) => result.cpuMicros / of[run].cpuMicros))
    const verdict = target === undefined ? '' : `${target}${ratio > target ? ' **missed**' : ''}`
    return [ratio.toFixed(2), verdict]
  }
  const latency = figure => (of[0][figure] === undefined ? '' : middle(figure).toFixed(2))
  const cells = [
    name,
    size,
    show(middle('cpuMicros')),
    ...compare('moka', targets[name]?.[size]),
    ...compare(ON_BUN, ON_BUN_TARGETS[name]),
    Math.round(middle('perSecond')),
    latency('p50Ms'),
    latency('p99Ms'),
    Math.round(middle('megabytes')),
  ]
  return `| ${cells.join(' | ')} |`
}

await runIfMain(import.meta.url, measure)
