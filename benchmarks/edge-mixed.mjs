// Hits with what a real request carries, beside those of one hot key, HTTP/1.1 and HTTP/2:
// node benchmarks/edge-mixed.mjs [runs] [seconds]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import { fetchEtags, load, warmUp } from './edge/load.mjs'
import { startEdge, writeCertificate } from './edge/servers.mjs'
import { argumentsOf } from './support/arguments.mjs'
import { median, show } from './support/numbers.mjs'
import { progress, runIfMain } from './support/report.mjs'

const PATHS = 20_000
const TARGET = 1.25
const FEW_HEADERS = 'one key, few header fields'

/** As Chromium sends them with a click on a link. */
const BROWSER_FIELDS = [
  'sec-ch-ua: "Chromium";v="130", "Not?A_Brand";v="99"',
  'sec-ch-ua-mobile: ?0',
  'sec-ch-ua-platform: "Linux"',
  'Upgrade-Insecure-Requests: 1',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36',
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8',
  'Sec-Fetch-Site: same-origin',
  'Sec-Fetch-Mode: navigate',
  'Sec-Fetch-User: ?1',
  'Sec-Fetch-Dest: document',
  'Referer: https://site.test/a/page/before',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Accept-Language: en-GB,en;q=0.9,de;q=0.8',
  'Cookie: theme=dark; consent=1; session=8d1f0c5b7a9e4e0f9d3c2b1a0f9e8d7c',
]

/** What is asked for, and the load that it is compared with. */
const LOADS = [
  { what: FEW_HEADERS, options: {} },
  { what: "one key, a browser's header fields", options: { fields: BROWSER_FIELDS } },
  { what: `${PATHS} paths, few header fields`, options: { isMixed: true } },
  {
    what: `${PATHS} paths, a browser's header fields, br, every fourth a 304`,
    options: { isMixed: true, fields: BROWSER_FIELDS, hasEtags: true },
  },
]

const VERSIONS = [
  { title: 'HTTP/1.1', options: {} },
  {
    title: 'HTTP/2 over TLS, 32 streams',
    options: { scheme: 'https', streams: 32, connections: 8 },
  },
]

export async function measure() {
  const [runs = 5, seconds = 2] = argumentsOf(import.meta.url).map(Number)
  const folder = mkdtempSync(join(tmpdir(), 'moka-benchmark-'))
  try {
    progress(`edge, ${PATHS} files`)
    writeFiles(folder)
    await writeCertificate(folder)
    const server = await startEdge(folder, 'own')
    try {
      const rows = []
      for (const version of VERSIONS)
        rows.push(...(await measureVersion(server, folder, version, runs, seconds)))
      return `## Edge: hits as browsers ask for them

Bodies of 1 KB, ${PATHS} of them, in identity and br; the mixed loads ask for paths at random. Over HTTP/2 h2load has
no 304s and takes the paths in order. CPU is the server's for each request; ratios are medians of those within
each of ${runs} rounds of ${seconds} s.

| load | CPU µs | × one key | target | requests/s |
| ---- | -----: | --------: | -----: | ---------: |
${rows.join('\n')}`
    } finally {
      server.stop()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  }
}

function writeFiles(folder) {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 1 }
  for (let i = 0; i < PATHS; i++) {
    const text = `${i} some words of a page, `.repeat(64).slice(0, 1024)
    writeFileSync(join(folder, `page-${i}.txt`), text)
    writeFileSync(join(folder, `page-${i}.txt.br`), brotliCompressSync(text, { params }))
  }
}

async function measureVersion(server, folder, { title, options: version }, runs, seconds) {
  const paths = Array.from({ length: PATHS }, (_, i) => `/page-${i}.txt`)
  progress(`edge, ${title}, warming up`)
  // Into memory, each in both forms; the short way knows a file from its second request on.
  for (const fields of [[], BROWSER_FIELDS, [], BROWSER_FIELDS]) {
    await warmUp(server, paths, { ...version, fields }, PATHS)
  }
  const etags = await fetchEtags(server, paths, 4)
  const results = LOADS.map(() => [])
  for (let run = 0; run < runs; run++) {
    progress(`edge, ${title}, run ${run + 1} of ${runs}`)
    for (const [index, { options }] of LOADS.entries()) {
      const { isMixed, hasEtags, ...rest } = options
      // The single key comes out of the same generator, which has a share in how requests arrive.
      const asked = isMixed ? paths : paths.map(() => paths[0])
      const mixed = { paths: asked, folder, ...(hasEtags && { etags }) }
      const given = { ...version, ...rest, ...mixed, seconds }
      results[index].push(await load(server, paths[0], given))
    }
  }
  return LOADS.map(({ what }, index) => {
    const of = results[index]
    const ratio = median(of.map((each, run) => each.cpuMicros / results[0][run].cpuMicros))
    const judged =
      what === FEW_HEADERS
        ? ['', '']
        : [ratio.toFixed(2), `${TARGET}${ratio > TARGET ? ' **missed**' : ''}`]
    const middle = figure => median(of.map(result => result[figure]))
    return `| ${[`${title}: ${what}`, show(middle('cpuMicros')), ...judged, Math.round(middle('perSecond'))].join(' | ')} |`
  })
}

await runIfMain(import.meta.url, measure)
