import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import { stream } from 'hono/streaming'
import type { StreamingApi } from 'hono/utils/stream'
import pLimit from 'p-limit'
import * as v from 'valibot'
import { MokaError, systemErrorCode } from '../shared/errors.ts'
import { closeAtOnce, listenOn } from '../shared/listening/http-listening.ts'
import type { Logger } from '../shared/logger.ts'
import { decodeBlobBatch } from './blob-batch.ts'
import type { CloudApi, PublishRequest } from './cloud-api.ts'
import { addDatabaseRoutes } from './database/database-routes.ts'
import {
  type DeployGrant,
  type DeployTokens,
  requireDeploy,
  requireProject,
  requirePublish,
} from './deploy-tokens.ts'
import { addNotificationRoutes } from './notifications/notification-routes.ts'
import { addPreviewRoutes, previewRequest } from './previews/preview-routes.ts'
import { readBody } from './read-body.ts'
import { addSecretRoutes } from './secret-routes.ts'

/** Blobs up to this size are stored side by side; larger ones one after the other, unbuffered. */
const BUFFERED_BLOB_BYTES = 1024 * 1024
const PARALLEL_BLOBS = 32
/** An upload of which nothing came for so long is ended: its client has done so, too. */
const UPLOAD_STALL_MS = 120_000
/** Log text that a follower has not taken yet. */
const MAX_WAITING_LOG_CHARS = 16 * 1024 * 1024

/**
 * A client that prepares a large site asks again after that long at most. One that the server leaves
 * in the middle of its work learns it only from its next request, which then fails.
 */
const KEEP_ALIVE_MS = 10 * 60 * 1000

/** What the server asks of the cloud beyond `CloudApi`: metrics, and storing one blob that arrived. */
export interface ControlBackend extends CloudApi {
  /** In the text format of Prometheus. */
  metrics(): Promise<string>
  putBlob(sha256: string, content: Uint8Array | AsyncIterable<Uint8Array>): Promise<void>
  /** Stores a blob that is, one after the other, blobs that are there. */
  joinBlob(sha256: string, parts: readonly string[]): Promise<void>
}

export interface ControlServer {
  port: number
  close(): Promise<void>
}

/** `deploys` is what the request's token allows to deploy; absent: all is allowed. */
export type Environment = { Bindings: HttpBindings; Variables: { deploys?: DeployGrant } }

const strings = v.pipe(v.array(v.string()), v.maxLength(10_000))
const blobNames = v.array(v.object({ sha256: v.string(), sizeBytes: v.exactOptional(v.number()) }))
const joinRequest = v.object({ parts: v.pipe(v.array(v.string()), v.maxLength(100_000)) })
const missingRequest = v.union([
  blobNames,
  v.object({ blobs: blobNames, of: v.object({ project: v.string(), id: v.string() }) }),
])
const invalidateRequest = v.object({ patterns: strings, tags: v.optional(strings, []) })
const hookRequest = v.object({
  repository: v.exactOptional(v.string()),
  token: v.exactOptional(v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,1000}$/))),
})
const rollbackRequest = v.object({ release: v.optional(v.string()) })
/** The draft is checked field by field by whoever makes a release of it. */
const publishRequest = v.object({
  draft: v.record(v.string(), v.unknown()),
  base: v.nullable(v.string()),
  deferMigrations: v.exactOptional(v.boolean()),
  secrets: v.exactOptional(v.record(v.string(), v.string())),
  summary: v.exactOptional(v.pipe(v.string(), v.maxLength(20_000))),
  preview: v.exactOptional(previewRequest),
})

/**
 * The control API of a running cloud: JSON over HTTP, with a bearer token. Deploys, rollbacks and
 * followed logs answer one JSON value a line. Throws `CONTROL_PORT_TAKEN`.
 */
export async function openControlServer(options: {
  host: string
  port: number
  token: string
  backend: ControlBackend
  deployTokens?: DeployTokens
  /** Answers what is below `/git/`, with its own look at who asks. */
  handleGit?(request: IncomingMessage, response: ServerResponse): void
  logger: Logger
}): Promise<ControlServer> {
  const app = createControlApp(options)
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false })
  const { handleGit } = options
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    if (handleGit !== undefined && request.url?.startsWith('/git/')) handleGit(request, response)
    else void listener(request, response)
  })
  server.requestTimeout = 0 // an upload of a large site takes as long as it takes
  server.keepAliveTimeout = KEEP_ALIVE_MS
  const { host, port } = options
  const bound = await listenOn(server, { host, port }).catch(error => {
    throw explainListenError(error, host, port)
  })
  return { port: bound, close: () => closeAtOnce(server) }
}

function explainListenError(error: Error, host: string, port: number): Error {
  if (systemErrorCode(error) !== 'EADDRINUSE') return error
  return new MokaError(
    'CONTROL_PORT_TAKEN',
    `cannot open the control API on "${host}:${port}": the port is taken`,
    { hint: `end what listens there, or choose another with --control-port` },
  )
}

function createControlApp({
  token,
  backend,
  deployTokens,
  logger,
}: {
  token: string
  backend: ControlBackend
  deployTokens?: DeployTokens
  logger: Logger
}): Hono<Environment> {
  const app = new Hono<Environment>()
  app.use(async (context, next) => {
    // The scheme's name has no case (RFC 9110 §11.1); the token has.
    const [, given = ''] = /^bearer +(.*)$/i.exec(context.req.header('authorization') ?? '') ?? []
    const deploys = deployTokens?.of(given)
    if (deploys !== undefined) {
      requireDeploy(context.req.method, context.req.path, deploys.project)
      context.set('deploys', deploys)
    } else if (!isSameSecret(given, token)) {
      return context.json(
        errorBody(
          new MokaError('CONTROL_UNAUTHORIZED', 'cannot use this cloud: the token is not its own', {
            hint: 'set MOKA_TOKEN to the token of the cloud at MOKA_CLOUD',
          }),
        ),
        401,
      )
    }
    return next()
  })
  app.onError((error, context) => {
    const { incoming } = context.env
    if (incoming.destroyed && !incoming.complete) {
      logger.info('a client left in the middle of its request', { path: context.req.path })
    } else if (!(error instanceof MokaError)) {
      logger.error('control request failed', { error: error.stack })
    }
    return context.json(errorBody(error), statusOf(error))
  })
  app.notFound(context =>
    context.json(
      errorBody(
        new MokaError('CONTROL_NOT_FOUND', `cannot answer "${context.req.path}": no such thing`),
      ),
      404,
    ),
  )
  addRoutes(app, backend)
  return app
}

function addRoutes(app: Hono<Environment>, backend: ControlBackend): void {
  addSecretRoutes(app, backend.secrets)
  addNotificationRoutes(app, backend.notifications)
  addPreviewRoutes(app, backend.previews)
  addDatabaseRoutes(app, backend.database)
  app.get('/metrics', async context =>
    context.body(await backend.metrics(), 200, {
      'content-type': 'text/plain; version=0.0.4; charset=utf-8',
    }),
  )
  app.get('/v1/status', async context => context.json(await backend.status()))
  app.post('/v1/missing', async context => {
    const asked = await readBody(context, missingRequest)
    if (Array.isArray(asked)) return context.json(await backend.missingBlobs(asked))
    const deploys = context.get('deploys')
    if (deploys !== undefined) requireProject(asked.of.project, deploys.project)
    return context.json(await backend.missingBlobs(asked.blobs, asked.of))
  })
  app.post('/v1/blobs', async context => {
    await receiveBlobs(context.env.incoming, backend)
    return context.json({})
  })
  // One at a time, as people type it: `curl --upload-file`.
  app.put('/v1/blobs/:sha256', async context => {
    await backend.putBlob(context.req.param('sha256'), context.env.incoming)
    return context.json({})
  })
  app.post('/v1/blobs/:sha256/join', async context => {
    const { parts } = await readBody(context, joinRequest)
    await backend.joinBlob(context.req.param('sha256'), parts)
    return context.json({})
  })
  app.post('/v1/releases', async context => {
    const request = (await readBody(context, publishRequest)) as unknown as PublishRequest
    const deploys = context.get('deploys')
    if (deploys !== undefined) requirePublish(request, deploys)
    return stream(context, output => report(output, step => backend.publish(request, step)))
  })
  app.get('/v1/projects/:project/live', async context =>
    context.json((await backend.live(context.req.param('project'))) ?? null),
  )
  app.get('/v1/projects/:project/releases', async context =>
    context.json(await backend.releases(context.req.param('project'))),
  )
  app.post('/v1/projects/:project/rollback', async context => {
    const { release } = await readBody(context, rollbackRequest)
    const project = context.req.param('project')
    return stream(context, output =>
      report(output, step => backend.rollback(project, release, step)),
    )
  })
  app.post('/v1/projects/:project/invalidate', async context => {
    const { patterns, tags } = await readBody(context, invalidateRequest)
    return context.json(await backend.invalidate(context.req.param('project'), patterns, tags))
  })
  app.post('/v1/projects/:project/functions/:name/invoke', async context => {
    const { project, name } = context.req.param()
    return context.json(await backend.invoke(project, name, await readBody(context, v.unknown())))
  })
  app.post('/v1/projects/:project/hooks', async context =>
    context.json(
      await backend.hooks(context.req.param('project'), await readBody(context, hookRequest)),
    ),
  )
  app.get('/v1/projects/:project/environment', async context =>
    context.json(await backend.environment(context.req.param('project'))),
  )
  app.get('/v1/projects/:project/logs', async context => {
    const project = context.req.param('project')
    const name = context.req.query('function')
    const count = Number(context.req.query('count') ?? 100)
    if (context.req.query('follow') === undefined) {
      return context.json(await backend.logs(project, name, count))
    }
    await backend.logs(project, name, 0) // an unknown name is an error before anything is sent
    return stream(context, output => followLogs(output, backend, { project, name, count }))
  })
}

async function receiveBlobs(incoming: IncomingMessage, backend: ControlBackend): Promise<void> {
  const limit = pLimit(PARALLEL_BLOBS)
  const writes: Promise<void>[] = []
  incoming.setTimeout(UPLOAD_STALL_MS, () => incoming.destroy())
  try {
    for await (const { sha256, sizeBytes, content } of decodeBlobBatch(incoming)) {
      if (sizeBytes > BUFFERED_BLOB_BYTES) {
        await backend.putBlob(sha256, content)
        continue
      }
      const chunks: Uint8Array[] = []
      for await (const chunk of content) chunks.push(chunk)
      const write = limit(() => backend.putBlob(sha256, Buffer.concat(chunks)))
      write.catch(() => {}) // it is thrown below; until then nobody else may wait for it
      writes.push(write)
    }
  } finally {
    await Promise.allSettled(writes)
    incoming.setTimeout(0)
  }
  await Promise.all(writes)
}

/** Streams `{"step": …}` lines, then `{"result": …}` or `{"error": …}`. */
async function report<T>(
  output: StreamingApi,
  work: (onStep: (step: string) => void) => Promise<T>,
): Promise<void> {
  const write = (line: unknown) => output.write(`${JSON.stringify(line)}\n`)
  try {
    await write({ result: await work(step => void write({ step })) })
  } catch (error) {
    await write(errorBody(error))
  }
}

/** A follower that reads more slowly than its functions log is let go, with an error as last line. */
function followLogs(
  output: StreamingApi,
  backend: ControlBackend,
  { project, name, count }: { project: string; name: string | undefined; count: number },
): Promise<void> {
  return new Promise(resolve => {
    let waitingChars = 0
    // The last entries come in one go, however much they are: what comes later has to be taken.
    let maxWaitingChars = Number.POSITIVE_INFINITY
    let hasBegun = false
    let hasEnded = false
    const write = (value: unknown) => {
      const line = `${JSON.stringify(value)}\n`
      waitingChars += line.length
      void output.write(line).then(() => {
        waitingChars -= line.length
      })
    }
    const end = (error?: unknown) => {
      if (hasEnded) return
      hasEnded = true
      stop?.()
      if (error !== undefined) write(errorBody(error))
      resolve()
    }
    const begin = () => {
      hasBegun = true
      setImmediate(() => {
        maxWaitingChars = waitingChars + MAX_WAITING_LOG_CHARS
      })
    }
    let stop: (() => void) | undefined
    stop = backend.followLogs(
      project,
      name,
      count,
      entry => {
        if (hasEnded) return
        if (!hasBegun) begin()
        if (waitingChars > maxWaitingChars) end(tooSlow())
        else write(entry)
      },
      end,
    )
    if (hasEnded) stop()
    output.onAbort(() => end())
  })
}

function tooSlow(): MokaError {
  return new MokaError(
    'CONTROL_FOLLOWER_TOO_SLOW',
    'cannot follow the log any further: its entries come faster than they are read',
    { hint: 'follow it again, one function alone, or without a slow program behind a pipe' },
  )
}

/** How an error crosses the wire; what is not meant for people keeps only its message. */
function errorBody(error: unknown): { error: { code: string; message: string; hint?: string } } {
  if (!(error instanceof MokaError)) {
    const message = error instanceof Error ? error.message : String(error)
    return { error: { code: 'CONTROL_INTERNAL', message } }
  }
  const { code, message, hint } = error
  return { error: { code, message, ...(hint === undefined ? {} : { hint }) } }
}

function statusOf(error: unknown): 400 | 404 | 409 | 500 {
  if (!(error instanceof MokaError)) return 500
  if (/_UNKNOWN|_NOT_FOUND|_MISSING/.test(error.code)) return 404
  return error.code === 'RELEASES_BASE_CHANGED' ? 409 : 400
}

/** Takes the same time wherever the two differ. */
export function isSameSecret(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
