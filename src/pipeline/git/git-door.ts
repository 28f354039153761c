import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { formatError, MokaError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import { packet, readPushHead } from './packet-lines.ts'
import type { PushReceiver } from './push-receiver.ts'
import type { Repositories } from './repository.ts'
import { gitEnvironment, killGroup, spawnGit } from './run-git.ts'

// Git's smart HTTP (gitprotocol-http): authenticate → identify the service → advertise, upload or
// receive. The rest of git's HTTP, which reads a repository's files one by one, is not spoken.

const ROUTE = /^\/git\/([^/]+?)(?:\.git)?\/(info\/refs|git-upload-pack|git-receive-pack)$/
/** Without a byte either way; a large repository takes git a while to begin. */
const STALL_MS = 10 * 60_000
/** How long a client may take to name the refs that it pushes. */
const HEAD_TIMEOUT_MS = 60_000

export interface GitDoorOptions {
  repositories: Repositories
  receiver: PushReceiver
  /** Whether the password of a request is this cloud's; it has to take the same time for any. */
  isToken(given: string): boolean
  /** A client has asked what is there, to push what is not. */
  onPushExpected(project: string): void
  logger: Logger
}

interface Exchange {
  request: IncomingMessage
  response: ServerResponse
  project: string
  path: string
}

/** Serves the repositories below `/git/` to git clients. */
export class GitDoor {
  readonly #options: GitDoorOptions

  constructor(options: GitDoorOptions) {
    this.#options = options
  }

  /** Answers every request below `/git/`. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#answer(request, response)
    } catch (error) {
      if (!(error instanceof MokaError) && !request.destroyed) {
        this.#options.logger.error('git request failed', { error: String(error) })
      }
      if (response.headersSent) response.destroy()
      else refuse(response, error instanceof MokaError ? 400 : 500, formatError(error))
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { repositories, isToken } = this.#options
    if (!credentialsOf(request).some(isToken)) {
      response.setHeader('www-authenticate', 'Basic realm="moka", charset="UTF-8"')
      return refuse(response, 401, 'the password is the token of this cloud: `moka env` prints it')
    }
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
    const [, project = '', what] = ROUTE.exec(pathname) ?? []
    const path = repositories.pathOf(project)
    if (what === undefined || path === undefined) {
      return refuse(response, 404, 'a repository here is called /git/<project>.git')
    }
    const exchange: Exchange = { request, response, project, path }
    if (what === 'info/refs') {
      if (request.method !== 'GET') return refuse(response, 405, 'refs are read with GET')
      return this.#advertise(exchange, searchParams.get('service'))
    }
    if (request.method !== 'POST') return refuse(response, 405, 'packs are sent with POST')
    if (request.headers['content-type'] !== `application/x-${what}-request`) {
      return refuse(response, 415, `the body has to be an application/x-${what}-request`)
    }
    return what === 'git-upload-pack' ? this.#upload(exchange) : this.#receive(exchange)
  }

  async #advertise(
    { request, response, project, path }: Exchange,
    service: string | null,
  ): Promise<void> {
    if (service !== 'git-upload-pack' && service !== 'git-receive-pack') {
      return refuse(response, 403, 'only git’s smart HTTP is spoken here: git 1.6.6 or later')
    }
    const { repositories } = this.#options
    if (service === 'git-receive-pack') {
      this.#options.onPushExpected(project)
      await repositories.create(path)
    } else if (!repositories.has(path)) {
      return refuseUnknown(response)
    }
    const version = protocolOf(request)
    // Pushing has no version 2 (gitprotocol-v2); clients ask for it all the same.
    const isSecond = service === 'git-upload-pack' && /(?:^|:)version=2(?:$|:)/.test(version)
    begin(response, `application/x-${service}-advertisement`)
    if (!isSecond) response.write(Buffer.concat([packet(`# service=${service}\n`), FLUSH]))
    const env = gitEnvironment([], isSecond ? { GIT_PROTOCOL: version } : {})
    const args = [service.slice('git-'.length), '--stateless-rpc', '--http-backend-info-refs', path]
    await relay(args, env, undefined, response)
  }

  async #upload({ request, response, path }: Exchange): Promise<void> {
    if (!this.#options.repositories.has(path)) return refuseUnknown(response)
    const version = protocolOf(request)
    const env = gitEnvironment([], version === '' ? {} : { GIT_PROTOCOL: version })
    begin(response, 'application/x-git-upload-pack-result')
    await relay(['upload-pack', '--stateless-rpc', path], env, bodyOf(request), response)
  }

  async #receive({ request, response, project, path }: Exchange): Promise<void> {
    const { repositories, receiver } = this.#options
    await repositories.create(path)
    const body = bodyOf(request)
    const timer = setTimeout(() => request.destroy(), HEAD_TIMEOUT_MS)
    const head = await readPushHead(body).finally(() => clearTimeout(timer))
    begin(response, 'application/x-git-receive-pack-result')
    // Before a large push clients try with nothing whether they may.
    if (head.commands.length === 0) response.end()
    else await receiver.receive({ project, path, head, body, response })
  }
}

const FLUSH = Buffer.from('0000')

/** Runs one git to its end between a request and its response; a client that leaves ends it. */
function relay(
  args: readonly string[],
  env: Record<string, string>,
  body: Readable | undefined,
  response: ServerResponse,
): Promise<void> {
  const child = spawnGit(args, env)
  child.stderr!.resume()
  if (body === undefined) child.stdin!.end()
  else pipeline(body, child.stdin!, () => {})
  response.once('close', () => killGroup(child))
  response.setTimeout(STALL_MS, () => response.destroy())
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    pipeline(child.stdout!, response, () => resolve())
  })
}

/** What a client gives as its password, and as its user's name where it has no other place for it. */
function credentialsOf({ headers }: IncomingMessage): string[] {
  const [, scheme = '', value = ''] = /^(\S+) +(\S+)$/.exec(headers.authorization ?? '') ?? []
  if (scheme.toLowerCase() === 'bearer') return [value]
  if (scheme.toLowerCase() !== 'basic') return []
  const [, user = '', password = ''] =
    /^([^:]*):(.*)$/s.exec(Buffer.from(value, 'base64').toString()) ?? []
  return [password, user]
}

/** What goes to git in its environment is what its grammar allows, and no more. */
function protocolOf({ headers }: IncomingMessage): string {
  const given = headers['git-protocol']
  return typeof given === 'string' && /^[\w=:.-]{1,100}$/.test(given) ? given : ''
}

/** Throws `PIPELINE_BAD_REQUEST` for an encoding that git does not send. */
function bodyOf(request: IncomingMessage): Readable {
  const encoding = request.headers['content-encoding'] ?? 'identity'
  if (encoding === 'identity') return request
  if (encoding !== 'gzip' && encoding !== 'x-gzip') {
    throw new MokaError(
      'PIPELINE_BAD_REQUEST',
      `cannot read a request: its body is encoded as "${encoding}"`,
    )
  }
  const gunzip = createGunzip()
  return pipeline(request, gunzip, () => {})
}

function begin(response: ServerResponse, type: string): void {
  response.writeHead(200, { 'content-type': type, 'cache-control': 'no-cache' })
}

function refuseUnknown(response: ServerResponse): void {
  refuse(response, 404, 'nothing was pushed to this project yet')
}

/** Git shows the text of a refusal where it is plain text. */
function refuse(response: ServerResponse, status: number, text: string): void {
  const isOpen = !response.req.complete // what was not read of the body would be taken for a request
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-cache',
    ...(isOpen ? { connection: 'close' } : {}),
  })
  response.end(`${text}\n`)
}
