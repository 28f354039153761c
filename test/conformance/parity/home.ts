import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeContent, isWorthEncoding } from '../../../src/deploy/files/encode.ts'
import { createEdge } from '../../../src/edge/edge.ts'
import { createUnixSocketOrigin } from '../../../src/edge/origins/unix-socket.ts'
import type { EdgeFile, EdgeRelease, SiteState } from '../../../src/edge/release.ts'
import { openEdgeServer } from '../../../src/edge/server.ts'
import { HttpDoor } from '../../../src/functions/door/http-door.ts'
import { mediaTypeOf } from '../../../src/http/media-types.ts'
import { silentLogger } from '../../../src/shared/logger.ts'
import { hashPassword } from '../../../src/shared/password-hash.ts'
import { createSniContexts } from '../../../src/tls/certificates/sni-contexts.ts'
import { currentTicketKey } from '../../../src/tls/certificates/ticket-key.ts'
import { createTestAuthority } from '../../../src/tls/testing/certificates.ts'
import { decodeBody, type ParityAnswer, type ParityRequest, type Side } from './answer.ts'
import * as site from './site.ts'

const MADE_MS = Date.UTC(2026, 0, 1)

/** The edge of the home cloud over HTTPS, with the door of functions behind it. */
export async function openHome(throttledAfter: number): Promise<Side> {
  const directory = mkdtempSync(join(tmpdir(), 'moka-parity-'))
  const door = new HttpDoor({
    findFunction: (project, release, name) =>
      ({
        ...{ project, release, name, memoryMb: 128, timeoutMs: 1000 },
        ...(name === 'limited' && {
          rateLimit: { count: throttledAfter, periodSeconds: 3600, per: 'function' },
        }),
      }) as never,
    async invoke(_version, payload) {
      const { requestContext, rawPath, rawQueryString } = payload as {
        requestContext: { http: { method: string } }
        rawPath: string
        rawQueryString: string
      }
      const answer = site.functionAnswer(requestContext.http.method, rawPath, rawQueryString)
      return { kind: 'success', payload: answer, requestId: 'q', durationMs: 1 } as never
    },
    throttle: () => undefined,
    logSink: { write() {} } as never,
    clock: { now: () => MADE_MS },
    logger: silentLogger,
  })
  const socketPath = join(directory, 'functions.sock')
  await door.listen(socketPath)
  const functions = createUnixSocketOrigin({ socketPath })
  const blobs = { path: (sha256: string) => join(directory, sha256) }
  const edge = createEdge({
    ...{ blobs, functions, logger: silentLogger, edgeId: 'e' },
    clock: { now: () => MADE_MS },
  })
  edge.setSites(await sites(directory))
  const authority = createTestAuthority()
  const tls = createSniContexts({ alpnProtocols: ['http/1.1'], logger: silentLogger })
  tls.update({
    certificates: [authority.issue(['site.test', '*.preview.site.test'])],
    defaultCertificate: 0,
    ticketKey: currentTicketKey(undefined, Date.now()).key,
  })
  const listen = { host: '127.0.0.1', port: 0 }
  const server = await openEdgeServer({ edge, listen, logger: silentLogger, tls })
  return {
    ask: request => send(server.port, authority.certificate, request),
    async close() {
      await server.close()
      await functions.close()
      await door.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

async function sites(directory: string): Promise<Map<string, SiteState>> {
  const live = await release(directory, 'r-3', site.FILES)
  const before = await release(directory, 'r-2', site.FILES_BEFORE)
  const shown = async (name: string, id: string): Promise<EdgeRelease> => ({
    ...(await release(directory, id, site.PREVIEW_FILES)),
    hosts: [`${name}.preview.site.test`],
    redirects: [],
    headers: [],
  })
  const passwordHash = await hashPassword(site.PREVIEW_PASSWORD)
  return new Map<string, SiteState>([
    ['site', { live, retained: [before], statement: site.STATEMENT }],
    ['site@menu', { live: await shown('menu', 'r-4'), retained: [], preview: { name: 'menu' } }],
    [
      'site@locked',
      {
        live: await shown('locked', 'r-5'),
        retained: [],
        preview: { name: 'locked', passwordHash },
      },
    ],
  ])
}

async function release(
  directory: string,
  id: string,
  contents: Readonly<Record<string, string>>,
): Promise<EdgeRelease> {
  const store = (bytes: Uint8Array) => {
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    writeFileSync(join(directory, sha256), bytes)
    return { sha256, size: bytes.length }
  }
  const files = new Map<string, EdgeFile>()
  for (const [path, content] of Object.entries(contents)) {
    const bytes = Buffer.from(content)
    const type = mediaTypeOf(path)
    const file: EdgeFile = { ...store(bytes), type }
    if (site.IMMUTABLE.includes(path)) file.immutable = true
    if (isWorthEncoding(type, bytes.length)) {
      const { br, gzip } = await encodeContent(bytes)
      file.encoded = {
        ...(br && { br: store(br.bytes) }),
        ...(gzip && { gzip: store(gzip.bytes) }),
      }
    }
    files.set(path, file)
  }
  return {
    ...{ project: 'site', id, manifestSha256: id.padEnd(64, '0'), hosts: ['site.test'], files },
    redirects: site.REDIRECTS,
    headers: site.HEADERS,
    routes: [
      { pattern: '/api/limited', function: 'limited' },
      { pattern: '/api/*', function: 'echo' },
    ],
    hsts: site.HSTS,
    modifiedMs: MADE_MS,
  }
}

function send(port: number, ca: string, request: ParityRequest): Promise<ParityAnswer> {
  const { target, method = 'GET', headers = {}, body } = request
  const host = headers.host ?? 'site.test'
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest({
      ...{ host: '127.0.0.1', port, ca, method, agent: false, servername: host },
      path: target,
      headers: { ...headers, host, ...(body !== undefined && { 'content-length': body.length }) },
    })
    outgoing.on('error', reject)
    outgoing.on('response', incoming => {
      const chunks: Buffer[] = []
      incoming.on('error', reject)
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('end', () => {
        const fields = Object.fromEntries(
          Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
        )
        const decoded = decodeBody(Buffer.concat(chunks), fields['content-encoding'])
        resolve({ status: incoming.statusCode ?? 0, headers: fields, body: decoded })
      })
    })
    outgoing.end(body)
  })
}
