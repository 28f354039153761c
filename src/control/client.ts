import { Agent, type IncomingMessage, type RequestOptions, request } from 'node:http'
import { request as requestTls } from 'node:https'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { FunctionLogEntry } from '../functions/version.ts'
import { MokaError, systemErrorCode } from '../shared/errors.ts'
import type { CloudApi } from './cloud-api.ts'
import { uploadBlobs } from './upload/upload-blobs.ts'

/** A connection on which no byte moves for so long is as good as broken. */
const STALL_MS = 30_000
/** A blob of gigabytes takes its time to be copied and hashed, and nothing is said meanwhile. */
const JOIN_STALLS = 10
/** So long an upload goes on while nothing gets through. */
const PATIENCE_MS = 60_000

/**
 * The API of a running cloud, over HTTP. Every call throws `CONTROL_UNREACHABLE` when nobody
 * answers, and the cloud's own error otherwise.
 */
export function createControlClient(
  url: string,
  token: string,
  { stallMs = STALL_MS, patienceMs = PATIENCE_MS } = {},
): CloudApi & { close(): void } {
  const http = new HttpClient(url, token)
  const of = (project: string) => `/v1/projects/${encodeURIComponent(project)}`
  return {
    status: () => http.json('GET', '/v1/status'),
    live: async project => (await http.json<never>('GET', `${of(project)}/live`)) ?? undefined,
    releases: project => http.json('GET', `${of(project)}/releases`),
    missingBlobs: (blobs, of) =>
      http.json('POST', '/v1/missing', of === undefined ? blobs : { blobs, of }, stallMs),
    putBlobs: (blobs, onProgress) =>
      uploadBlobs(
        {
          send: (content, signal) => http.upload('/v1/blobs', content, stallMs, signal),
          missing: names => http.json('POST', '/v1/missing', names, stallMs),
          join: (sha256, parts) =>
            http.json('POST', `/v1/blobs/${sha256}/join`, { parts }, JOIN_STALLS * stallMs),
          origin: http.origin,
          patienceMs,
        },
        blobs,
        onProgress,
      ),
    publish: (body, onStep) => http.steps('/v1/releases', body, onStep),
    rollback: (project, release, onStep) =>
      http.steps(`${of(project)}/rollback`, { release }, onStep),
    invalidate: (project, patterns, tags = []) =>
      http.json('POST', `${of(project)}/invalidate`, { patterns, tags }),
    invoke: (project, name, payload) =>
      http.json('POST', `${of(project)}/functions/${encodeURIComponent(name)}/invoke`, payload),
    logs: (project, name, count) =>
      http.json('GET', `${of(project)}/logs?${logQuery(name, { count: String(count) })}`),
    followLogs(project, name, count, onEntry, onEnd) {
      const abort = new AbortController()
      const path = `${of(project)}/logs?${logQuery(name, { follow: '1', count: String(count) })}`
      http
        .lines('GET', path, undefined, line => onEntry(readEntry(line)), abort.signal)
        .then(() => onEnd(), onEnd)
      return () => abort.abort()
    },
    environment: project => http.json('GET', `${of(project)}/environment`),
    hooks: (project, change) => http.json('POST', `${of(project)}/hooks`, change),
    secrets: {
      list: project => http.json('GET', `${of(project)}/secrets`),
      set: (project, name, value) =>
        http.json('PUT', `${of(project)}/secrets/${encodeURIComponent(name)}`, { value }),
      remove: async (project, name) => {
        await http.json('DELETE', `${of(project)}/secrets/${encodeURIComponent(name)}`)
      },
      forBuild: (project, names) => http.json('POST', `${of(project)}/build-secrets`, { names }),
    },
    notifications: {
      test: project => http.json('POST', `${of(project)}/notifications/test`),
      key: async project =>
        (await http.json<{ key: string }>('GET', `${of(project)}/notifications/key`)).key,
    },
    previews: {
      list: project => http.json('GET', `${of(project)}/previews`),
      shown: async (project, name) =>
        (await http.json<never>('GET', `${of(project)}/previews/${encodeURIComponent(name)}`)) ??
        undefined,
      remove: async (project, name) => {
        await http.json('DELETE', `${of(project)}/previews/${encodeURIComponent(name)}`)
      },
    },
    database: {
      migrate: project => http.json('POST', `${of(project)}/database/migrate`),
      backup: project => http.stream(`${of(project)}/database/backup`),
      restore: (project, backup, { isReplacing }) =>
        http.send(`${of(project)}/database/restore${isReplacing ? '?replace' : ''}`, backup),
    },
    close: () => http.close(),
  }
}

/** A followed log's line: an entry, or as the last one the error that ended it, which is thrown. */
function readEntry(line: string): FunctionLogEntry {
  const entry = JSON.parse(line) as FunctionLogEntry | { error: WireError }
  if ('error' in entry) throw toError(entry.error)
  return entry
}

function logQuery(name: string | undefined, more: Record<string, string>): string {
  return new URLSearchParams({
    ...more,
    ...(name === undefined ? {} : { function: name }),
  }).toString()
}

class HttpClient {
  readonly #url: URL
  readonly #token: string
  readonly #agent = new Agent({ keepAlive: true })

  constructor(url: string, token: string) {
    if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
      throw new MokaError(
        'CONTROL_BAD_URL',
        `cannot use cloud "${url}": it is not an http address`,
        {
          hint: 'an address such as http://127.0.0.1:8081',
        },
      )
    }
    this.#url = new URL(url)
    this.#token = token
  }

  get origin(): string {
    return this.#url.origin
  }

  /** With `stallMs`, a connection on which no byte moves for so long is given up. */
  async json<T>(method: string, path: string, body?: unknown, stallMs?: number): Promise<T> {
    const response = await this.#send(method, path, body, { stallMs })
    return JSON.parse(await this.#readWhole(response)) as T
  }

  /** What is answered, as it comes; reading it throws where it is cut off. */
  async stream(path: string): Promise<AsyncIterable<Uint8Array>> {
    const response = await this.#send('GET', path, undefined, {})
    const cutOff = (cause: unknown) => this.#cutOff(cause)
    return (async function* () {
      try {
        yield* response as AsyncIterable<Uint8Array>
      } catch (error) {
        throw cutOff(error)
      }
    })()
  }

  /** Sends content as it comes, and reads the answer. */
  async send<T>(path: string, content: AsyncIterable<Uint8Array>): Promise<T> {
    const body = Readable.from(content, { objectMode: false })
    return JSON.parse(await this.#readWhole(await this.#send('POST', path, body, {}))) as T
  }

  /** Rejects with what reading the content throws, where it throws. */
  async upload(
    path: string,
    content: AsyncIterable<Uint8Array>,
    stallMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    let unreadable: unknown
    const watched = async function* () {
      try {
        yield* content
      } catch (error) {
        unreadable = error
        throw error
      }
    }
    const body = Readable.from(watched(), { objectMode: false })
    try {
      await this.#readWhole(await this.#send('POST', path, body, { stallMs, signal }))
    } catch (error) {
      throw unreadable ?? error
    }
  }

  /** Runs a request that reports steps, and returns its result. */
  async steps<T, S extends string>(
    path: string,
    body: unknown,
    onStep?: (step: S) => void,
  ): Promise<T> {
    let result: T | undefined
    await this.lines('POST', path, body, line => {
      const event = JSON.parse(line) as { step?: S; result?: T; error?: WireError }
      if (event.step !== undefined) onStep?.(event.step)
      if (event.error !== undefined) throw toError(event.error)
      result = event.result ?? result
    })
    if (result !== undefined) return result
    throw this.#cutOff()
  }

  async lines(
    method: string,
    path: string,
    body: unknown,
    onLine: (line: string) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    const response = await this.#send(method, path, body, { signal })
    try {
      for await (const line of createInterface({ input: response, crlfDelay: Infinity })) {
        onLine(line)
      }
    } catch (error) {
      if (signal?.aborted === true) return
      throw error instanceof MokaError ? error : this.#cutOff(error)
    }
  }

  close(): void {
    this.#agent.destroy()
  }

  async #send(
    method: string,
    path: string,
    body: unknown,
    { stallMs, signal }: { stallMs?: number | undefined; signal?: AbortSignal | undefined },
  ): Promise<IncomingMessage> {
    const isTls = this.#url.protocol === 'https:'
    const options: RequestOptions = {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body === undefined || body instanceof Readable
          ? {}
          : { 'content-type': 'application/json' }),
      },
      ...(isTls ? {} : { agent: this.#agent }),
      ...(signal === undefined ? {} : { signal }),
    }
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = (isTls ? requestTls : request)(new URL(path, this.#url), options, resolve)
      outgoing.on('error', error => reject(this.#explain(error)))
      if (stallMs !== undefined) {
        outgoing.setTimeout(stallMs, () => outgoing.destroy(stalled(stallMs)))
      }
      if (body instanceof Readable) {
        pipeline(body, outgoing).catch(error => reject(this.#explain(error)))
      } else outgoing.end(body === undefined ? undefined : JSON.stringify(body))
    })
    if (response.statusCode === 200) return response
    throw await readError(response, this.#url)
  }

  async #readWhole(response: IncomingMessage): Promise<string> {
    try {
      return await readText(response)
    } catch (error) {
      throw this.#cutOff(error)
    }
  }

  #cutOff(cause?: unknown): MokaError {
    return new MokaError(
      'CONTROL_CUT_OFF',
      `cannot tell how the request ended: the cloud at "${this.#url.origin}" went away in the middle of it`,
      { hint: '`moka releases` shows what is live; then do it again', cause },
    )
  }

  #explain(error: Error): Error {
    const code = error instanceof MokaError ? undefined : systemErrorCode(error)
    if (code === undefined) return error
    return new MokaError(
      'CONTROL_UNREACHABLE',
      `cannot reach the cloud at "${this.#url.origin}": ${code}`,
      { hint: 'start one with `moka dev` or `moka up`, or correct MOKA_CLOUD', cause: error },
    )
  }
}

function stalled(stallMs: number): Error {
  return Object.assign(new Error('stalled'), { code: `no byte moved for ${stallMs / 1000} s` })
}

interface WireError {
  code: string
  message: string
  hint?: string
}

function toError({ code, message, hint }: WireError): MokaError {
  return new MokaError(code, message, hint === undefined ? {} : { hint })
}

async function readError(response: IncomingMessage, url: URL): Promise<MokaError> {
  const text = await readText(response)
  try {
    return toError((JSON.parse(text) as { error: WireError }).error)
  } catch {
    // What stands between says that the cloud does not answer.
    const isBetween = [502, 503, 504].includes(response.statusCode ?? 0)
    return new MokaError(
      isBetween ? 'CONTROL_UNREACHABLE' : 'CONTROL_NOT_A_CLOUD',
      `cannot use "${url.origin}" as a cloud: it answered ${response.statusCode} and not as one`,
      { hint: 'MOKA_CLOUD is the address of the control API, as `moka env` prints it' },
    )
  }
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
