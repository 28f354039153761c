// Runs the public suite http-tests/cache-tests against the edge as a reverse proxy in front of the
// suite's own server.
//
//   git clone https://github.com/http-tests/cache-tests && (cd cache-tests && npm install)
//   node test/conformance/cache-tests/run.mjs cache-tests [TEST-ID]
//
// With MOKA_CACHE=disk memory has room for nothing, so that all that is stored goes through the disk.
//
// Prints what passed, counted as the suite's dependencies say, and every failure. Exit code 1 where
// a test fails that exceptions.json does not list, or one passes that it lists.

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = resolve(here, '../../..')
const [suitePath, testId = ''] = process.argv.slice(2)
if (suitePath === undefined) {
  console.error('usage: run.mjs PATH-OF-CACHE-TESTS [TEST-ID]')
  process.exit(2)
}
const suite = resolve(suitePath)
const scratch = mkdtempSync(join(tmpdir(), 'moka-cache-tests-'))

try {
  process.exitCode = await main()
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

async function main() {
  const serverPort = await freePort()
  const server = spawn(process.execPath, ['test-engine/server/server.mjs'], {
    cwd: suite,
    env: {
      ...process.env,
      npm_config_protocol: 'http',
      npm_config_port: String(serverPort),
      npm_config_pidfile: join(scratch, 'pid'),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    await new Promise((done, failed) => {
      server.stdout.once('data', done)
      server.once('exit', code => failed(new Error(`the suite's server ended with ${code}`)))
    })
    server.stdout.resume()
    const edge = await openEdge(`http://localhost:${serverPort}`)
    try {
      return await report(await runSuite(edge.port))
    } finally {
      await edge.close()
    }
  } finally {
    server.kill()
  }
}

/** The edge from source, with one custom origin and no other option changed than allowed methods. */
async function openEdge(originUrl) {
  const outfile = join(scratch, 'edge.mjs')
  await build({
    stdin: {
      contents: `export { createEdge } from './src/edge/edge.ts'
        export { openEdgeServer } from './src/edge/server.ts'
        export { createLogger } from './src/shared/logger.ts'`,
      resolveDir: root,
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
    logLevel: 'error',
    banner: {
      js: "import { createRequire as createRequireHere } from 'node:module'; const require = createRequireHere(import.meta.url)",
    },
  })
  const { createEdge, openEdgeServer, createLogger } = await import(pathToFileURL(outfile).href)
  const logger = createLogger(line => process.env.MOKA_LOG && console.error(line), 'debug')
  const edge = createEdge({
    blobs: { path: () => '/nonexistent' },
    functions: {
      fetch: () => Promise.reject(new Error('no functions here')),
      close: async () => {},
    },
    clock: { now: () => Date.now() },
    logger,
    edgeId: 'cache-tests',
    ...(process.env.MOKA_CACHE === 'disk' && {
      cacheBytes: 1,
      disk: {
        directory: join(scratch, 'cache'),
        journal: { id: 'tests', since: 0, last: 0, entries: [] },
        admission: 'all',
      },
    }),
  })
  const live = {
    project: 'suite',
    id: 'r-1',
    manifestSha256: '',
    hosts: ['localhost'],
    files: new Map(),
    redirects: [],
    headers: [],
    routes: [],
    behaviors: [{ pattern: '/*', origin: 'suite', methods: 'all' }],
    origins: { suite: { url: originUrl } },
    modifiedMs: 0,
  }
  edge.setSites(new Map([['suite', { live, retained: [] }]]))
  return openEdgeServer({ edge, listen: { host: '127.0.0.1', port: 0 }, logger })
}

async function runSuite(port) {
  const base = `http://localhost:${port}`
  const client = spawn(process.execPath, ['--no-warnings', 'test-engine/cli.mjs'], {
    cwd: suite,
    env: {
      ...process.env,
      npm_config_base: base,
      npm_config_id: testId,
      npm_package_config_id: '',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  client.stdout.on('data', chunk => {
    output += chunk
  })
  await new Promise(done => client.once('close', done))
  return output
}

async function report(output) {
  if (testId !== '') {
    console.log(output)
    return 0
  }
  const results = JSON.parse(output.slice(output.indexOf('{')))
  const { default: suites } = await import(pathToFileURL(join(suite, 'tests/index.mjs')).href)
  const lib = await import(pathToFileURL(join(suite, 'test-engine/lib/results.mjs')).href)
  const exceptions = JSON.parse(readFileSync(join(here, 'exceptions.json'), 'utf8'))
  const counts = { required: [0, 0], optimal: [0, 0], check: [0, 0] }
  const surprises = []
  for (const test of suites.flatMap(({ tests }) => tests)) {
    if (test.browser_only === true) continue
    const kind = test.kind ?? 'required'
    const outcome = lib.determineTestResult(suites, test.id, results)
    const passes = outcome === lib.resultTypes.pass || outcome === lib.resultTypes.yes
    counts[kind][1]++
    if (passes) counts[kind][0]++
    if (kind === 'check') continue
    const reason = exceptions[test.id]
    if (!passes) {
      const name = Object.keys(lib.resultTypes).find(key => lib.resultTypes[key] === outcome)
      const detail = Array.isArray(results[test.id]) ? results[test.id].join(': ') : ''
      console.log(
        `${reason === undefined ? 'FAILS' : 'fails, as expected'}: ${kind} ${test.id} (${name}) ${detail}`,
      )
    }
    if (passes !== (reason === undefined)) surprises.push(test.id)
    if (passes && reason !== undefined) console.log(`passes unexpectedly: ${test.id}`)
  }
  for (const id of Object.keys(exceptions)) if (!(id in results)) surprises.push(id)
  for (const [kind, [passed, all]] of Object.entries(counts)) {
    console.log(`${kind}: ${passed} of ${all}`)
  }
  return surprises.length === 0 ? 0 : 1
}

function freePort() {
  return new Promise((done, failed) => {
    const probe = createServer().once('error', failed)
    probe.listen(0, () => {
      const { port } = probe.address()
      probe.close(() => done(port))
    })
  })
}
