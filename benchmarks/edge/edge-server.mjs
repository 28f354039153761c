// The edge alone, as one process to be measured:
// node edge-server.mjs FOLDER [node-http|own] [json|w3c|off|''] [ORIGIN]
// Prints the ports of HTTP and HTTPS once it listens. Serves each file of FOLDER at its name, with
// `NAME.br` as its variant; with the address of an ORIGIN it has no files, and keeps what that
// answers. SIGUSR2 has it activate a release every 100 ms, the next one stops that.
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createEdge } from '../../dist/edge/edge.js'
import { openTrafficLog } from '../../dist/edge/logs/open-traffic-log.js'
import { openEdgeServer } from '../../dist/edge/server.js'
import { createSniContexts } from '../../dist/tls/certificates/sni-contexts.js'
import { activate, manifestBytes } from './activation.mjs'

const [folder, engine = 'own', accessLog, origin] = process.argv.slice(2)
const clock = { now: () => Date.now() }
const logger = {
  debug() {},
  info() {},
  warn() {},
  error: message => process.stderr.write(`${message}\n`),
}

const blobFolder = join(folder, '.blobs')
mkdirSync(blobFolder, { recursive: true })
const files = new Map()
const names = new Set(origin === undefined ? readdirSync(folder) : [])
for (const name of names) {
  if (name.startsWith('.') || name.endsWith('.br')) continue
  const encoded = names.has(`${name}.br`) && { encoded: { br: store(`${name}.br`) } }
  files.set(`/${name}`, { ...store(name), type: 'text/plain; charset=utf-8', ...encoded })
}

const edge = createEdge({
  blobs: { path: sha256 => join(blobFolder, sha256) },
  functions: { fetch: () => Promise.reject(new Error('there is no function')) },
  clock,
  logger,
  edgeId: 'e1',
})
const live = {
  project: 'site',
  id: 'r-1',
  manifestSha256: '0'.repeat(64),
  hosts: ['site.test'],
  files,
  redirects: [],
  headers: [],
  routes: [],
  ...(origin !== undefined && {
    behaviors: [{ pattern: '/*', origin: 'o', cache: { defaultTtlSeconds: 3600 } }],
    origins: { o: { url: origin } },
  }),
  modifiedMs: Date.now(),
}
edge.setSites(new Map([['site', { live, retained: [] }]]))
const tls = createSniContexts({ alpnProtocols: ['h2', 'http/1.1'], logger })
const [chain, key] = ['chain', 'key'].map(name =>
  readFileSync(join(folder, '.tls', `${name}.pem`), 'utf8'),
)
tls.update({ certificates: [{ chain, key }], defaultCertificate: 0 })

const served = engine === 'own' ? edge : { handle: edge.handle }
const listen = { host: '127.0.0.1', port: 0 }
const observed = accessLog && { observer: openLog(accessLog).observer }
const unlimited = { unlimitedClients: ['127.0.0.0/8'] }
const plain = await openEdgeServer({ edge: served, listen, logger, ...unlimited, ...observed })
const secure = await openEdgeServer({
  edge: served,
  listen,
  logger,
  tls,
  ...unlimited,
  ...observed,
})
let activating
process.on('SIGUSR2', () => {
  clearInterval(activating)
  activating = activating === undefined ? setInterval(activateNext, 100) : undefined
})
process.stdout.write(`${plain.port} ${secure.port}\n`)

let releaseCount = 1
async function activateNext() {
  const file = join(blobFolder, 'manifest.json')
  writeFileSync(file, manifestBytes(`r-${++releaseCount}`, files))
  await activate(edge, file)
}

function store(name) {
  const bytes = readFileSync(join(folder, name))
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  writeFileSync(join(blobFolder, sha256), bytes)
  return { sha256, size: bytes.byteLength }
}

/** As an edge worker of a cloud has it; `off` counts alone. */
function openLog(format) {
  const directory = join(folder, '.access')
  return openTrafficLog({ edgeId: 'e1', directory, format, clock, logger, trustedProxies: [] })
}
