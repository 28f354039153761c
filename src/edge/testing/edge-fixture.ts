import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
} from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mediaTypeOf } from '../../http/media-types.ts'
import { createLogger } from '../../shared/logger.ts'
import { createEdge, type Edge, type EdgeOptions } from '../edge.ts'
import type { TrafficObserver } from '../logs/traffic-observer.ts'
import { createUnixSocketOrigin } from '../origins/unix-socket.ts'
import type { EdgeFile, EdgeRelease, SiteState } from '../release.ts'
import { openEdgeServer, type ServerLimits } from '../server.ts'

/** A release told by the content of its files; blobs are written to a temporary folder. */
export interface ReleaseSketch {
  project?: string
  id?: string
  hosts?: string[]
  files: Record<string, string | Uint8Array>
  immutable?: string[]
  /** Paths that get stand-ins for br and gzip variants: "br of …". */
  encoded?: string[]
  redirects?: EdgeRelease['redirects']
  headers?: EdgeRelease['headers']
  routes?: EdgeRelease['routes']
  behaviors?: NonNullable<EdgeRelease['behaviors']>
  origins?: NonNullable<EdgeRelease['origins']>
  signingKeys?: NonNullable<EdgeRelease['signingKeys']>
  hsts?: NonNullable<EdgeRelease['hsts']>
  retained?: EdgeRelease[]
}

export interface FixtureResponse {
  status: number
  headers: IncomingHttpHeaders
  text: string
  bytes: Buffer
}

export interface FixtureRequest {
  method?: string
  headers?: Record<string, string>
  body?: string | Uint8Array
}

/** A real edge on a free port, its blobs on disk, its functions host a Unix socket. */
export interface EdgeFixture {
  readonly port: number
  readonly edge: Edge
  readonly log: string[]
  /** What blobs the edge asked for. */
  readonly opened: Set<string>
  now: number
  release(sketch: ReleaseSketch): EdgeRelease
  deploy(sketch: ReleaseSketch): void
  /** What stands behind function routes. */
  onFunction(listener: RequestListener): void
  get(path: string, request?: FixtureRequest): Promise<FixtureResponse>
  /** Replaces the blob of a content, or removes it. */
  damage(content: string | Uint8Array, replacement: string | Uint8Array | undefined): Promise<void>
  stopFunctions(): Promise<void>
  close(): Promise<void>
}

const START = Date.UTC(2025, 0, 1)

export async function openEdgeFixture(
  options: {
    edge?: Partial<EdgeOptions>
    limits?: Partial<ServerLimits>
    observer?: TrafficObserver
    originTimeoutMs?: number
  } = {},
): Promise<EdgeFixture> {
  const directory = mkdtempSync(join(tmpdir(), 'moka-edge-'))
  const log: string[] = []
  const logger = createLogger(line => log.push(line), 'debug')
  const opened = new Set<string>()
  let listener: RequestListener = (_request, response) => response.writeHead(404).end()
  const socketPath = join(directory, 'functions.sock')
  const functionHost = createServer((request, response) => listener(request, response))
  await new Promise<void>(resolve => functionHost.listen(socketPath, resolve))
  const timeout =
    options.originTimeoutMs === undefined ? {} : { timeoutMs: options.originTimeoutMs }
  const origin = createUnixSocketOrigin({ socketPath, ...timeout })
  const sites = new Map<string, SiteState>()
  const clock = { now: () => fixture.now }
  const edge = createEdge({
    blobs: {
      path(sha256) {
        opened.add(sha256)
        return join(directory, sha256)
      },
    },
    functions: origin,
    clock,
    logger,
    edgeId: 'e1',
    ...options.edge,
  })
  const limits = { drainTimeoutMs: 500, ...options.limits }
  const server = await openEdgeServer({
    edge,
    listen: { host: '127.0.0.1', port: 0 },
    logger,
    limits,
    // A thousand requests at once are a thousand connections here.
    unlimitedClients: ['127.0.0.0/8'],
    ...(options.observer && { observer: options.observer }),
  })
  const fixture: EdgeFixture = {
    port: server.port,
    edge,
    log,
    opened,
    now: START,
    release: sketch => makeRelease(directory, sketch),
    deploy(sketch) {
      const live = makeRelease(directory, sketch)
      sites.set(live.project, { live, retained: sketch.retained ?? [] })
      edge.setSites(new Map(sites))
    },
    onFunction(next) {
      listener = next
    },
    get: (path, request) => send(server.port, path, request),
    async damage(content, replacement) {
      const path = join(directory, sha256Of(content))
      if (replacement === undefined) await rm(path)
      else await writeFile(path, replacement)
    },
    stopFunctions: () => stop(functionHost),
    async close() {
      await server.close()
      await origin.close()
      await stop(functionHost)
      rmSync(directory, { recursive: true, force: true })
    },
  }
  return fixture
}

export function sha256Of(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

function makeRelease(directory: string, sketch: ReleaseSketch): EdgeRelease {
  const store = (content: string | Uint8Array) => {
    const sha256 = sha256Of(content)
    writeFileSync(join(directory, sha256), content)
    return { sha256, size: Buffer.byteLength(content) }
  }
  const files = new Map<string, EdgeFile>()
  for (const [path, content] of Object.entries(sketch.files)) {
    const file: EdgeFile = { ...store(content), type: mediaTypeOf(path) }
    if (sketch.immutable?.includes(path) === true) file.immutable = true
    if (sketch.encoded?.includes(path) === true) {
      file.encoded = { br: store(`br of ${content}`), gzip: store(`gzip of ${content}`) }
    }
    files.set(path, file)
  }
  const id = sketch.id ?? 'r-1'
  return {
    project: sketch.project ?? 'site',
    id,
    manifestSha256: sha256Of(JSON.stringify([id, ...files])),
    hosts: sketch.hosts ?? ['site.test'],
    files,
    redirects: sketch.redirects ?? [],
    headers: sketch.headers ?? [],
    routes: sketch.routes ?? [],
    behaviors: sketch.behaviors ?? [],
    origins: sketch.origins ?? {},
    signingKeys: sketch.signingKeys ?? {},
    ...(sketch.hsts === undefined ? {} : { hsts: sketch.hsts }),
    modifiedMs: START,
  }
}

function send(port: number, path: string, request: FixtureRequest = {}): Promise<FixtureResponse> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({
      host: '127.0.0.1',
      port,
      path,
      method: request.method ?? 'GET',
      headers: request.headers ?? {},
      agent: false,
    })
    outgoing.on('error', reject)
    outgoing.on('response', incoming => {
      const chunks: Buffer[] = []
      incoming.on('error', reject)
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('end', () => {
        const bytes = Buffer.concat(chunks)
        const { statusCode: status = 0, headers } = incoming
        resolve({ status, headers, bytes, text: bytes.toString() })
      })
    })
    outgoing.end(request.body)
  })
}

function stop(server: Server): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
