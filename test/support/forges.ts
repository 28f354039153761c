import { spawn } from 'node:child_process'
import { createHmac, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ask } from './http.ts'

// A forge on this machine: repositories by git's own `http-backend`, the commit-status APIs of GitHub
// Enterprise, Gitea and GitLab, and their deliveries with the fields and payloads of their documentation.

export interface Forge {
  url: string
  /** Address of a repository, `lena/site`. */
  repository: string
  statuses: {
    api: 'github' | 'gitea' | 'gitlab'
    sha: string
    state: string
    url?: string
    description: string
  }[]
  close(): Promise<void>
}

/** `folder` holds `lena/site.git`; who reads it or sets a status has to know the token. */
export async function openForge(folder: string, token: string): Promise<Forge> {
  const statuses: Forge['statuses'] = []
  const server = createServer(async (request, response) => {
    const url = new URL(request.url!, 'http://localhost')
    if (url.pathname.startsWith('/lena/')) return serveGit(request, response, url, folder, token)
    let text = ''
    for await (const chunk of request) text += chunk
    const [, version, sha] =
      /^\/api\/(v\d)\/(?:repos\/lena\/site|projects\/lena%2Fsite)\/statuses\/([0-9a-f]{40})$/.exec(
        url.pathname,
      ) ?? []
    const api = ({ v1: 'gitea', v3: 'github', v4: 'gitlab' } as const)[version ?? '']
    const { authorization, 'private-token': own } = request.headers
    const isAllowed =
      api === 'gitlab'
        ? own === token
        : authorization === `${api === 'gitea' ? 'token' : 'Bearer'} ${token}`
    if (api === undefined || !isAllowed || request.method !== 'POST') {
      return response.writeHead(api === undefined ? 404 : 401).end('{}')
    }
    const { state, context, name, target_url: target, description } = JSON.parse(text)
    if ((api === 'gitlab' ? name : context) !== 'mokapot') return response.writeHead(422).end('{}')
    statuses.push({ api, sha: sha!, state, description, ...(target && { url: target }) })
    response.writeHead(201, { 'content-type': 'application/json' }).end('{}')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    repository: `${url}/lena/site.git`,
    statuses,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function serveGit(
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  folder: string,
  token: string,
): void {
  const [, given = ''] = /^Basic (.*)$/.exec(request.headers.authorization ?? '') ?? []
  if (!Buffer.from(given, 'base64').toString().endsWith(`:${token}`)) {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="forge"' }).end()
    return
  }
  const child = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env.PATH,
      GIT_PROJECT_ROOT: folder,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_CONFIG_NOSYSTEM: '1',
      REQUEST_METHOD: request.method,
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
    },
  })
  request.pipe(child.stdin)
  const chunks: Buffer[] = []
  child.stdout.on('data', chunk => chunks.push(chunk))
  child.once('close', () => {
    const all = Buffer.concat(chunks)
    const end = all.indexOf('\r\n\r\n')
    const fields = all.subarray(0, end).toString().split('\r\n')
    let status = 200
    for (const field of fields) {
      const [name = '', value = ''] = field.split(': ')
      if (name === 'Status') status = Number.parseInt(value, 10)
      else response.setHeader(name, value)
    }
    response.writeHead(status).end(all.subarray(end + 4))
  })
}

export interface DeliveryOptions {
  secret: string
  ref?: string
  commit?: string
  event?: string
  id?: string
  isForm?: boolean
  /** Default: `main`. */
  defaultBranch?: string
}

type Kind = 'github' | 'gitea' | 'gitlab'

/** Sends what a forge sends, to the address of a webhook at `site`. */
export async function deliver(kind: Kind, site: string, path: string, options: DeliveryOptions) {
  const { ref = 'refs/heads/main', commit = '0'.repeat(40), id = randomUUID(), secret } = options
  const isGitlab = kind === 'gitlab'
  const { defaultBranch: default_branch = 'main' } = options
  const event = options.event ?? (isGitlab ? 'Push Hook' : 'push')
  const payload = JSON.stringify(
    event === 'ping'
      ? { zen: 'Keep it logically awesome.', hook_id: 1, hook: { events: ['push'] } }
      : isGitlab
        ? {
            object_kind: 'push',
            event_name: 'push',
            before: '95790bf891e76fee5e1747ab589903a6a1f80f22',
            after: commit,
            ref,
            checkout_sha: commit,
            user_username: 'lena',
            project_id: 15,
            project: { id: 15, name: 'Site', path_with_namespace: 'lena/site', default_branch },
            commits: [],
            total_commits_count: 1,
          }
        : {
            ref,
            before: '6113728f27ae82c7b1a177c8d03f9e96e0adf246',
            after: commit,
            repository: { id: 186853002, name: 'site', full_name: 'lena/site', default_branch },
            pusher: { name: 'lena' },
            commits: [],
          },
  )
  const body = options.isForm === true ? new URLSearchParams({ payload }).toString() : payload
  const signature = createHmac('sha256', secret).update(body).digest('hex')
  const github = {
    'x-github-event': event,
    'x-github-delivery': id,
    'x-hub-signature-256': `sha256=${signature}`,
  }
  const headers: Record<string, string> = {
    'content-type':
      options.isForm === true ? 'application/x-www-form-urlencoded' : 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...(isGitlab
      ? {
          'x-gitlab-event': event,
          'x-gitlab-token': secret,
          'x-gitlab-event-uuid': randomUUID(),
          'idempotency-key': id,
        }
      : github),
    ...(kind === 'gitea'
      ? { 'x-gitea-event': event, 'x-gitea-delivery': id, 'x-gitea-signature': signature }
      : {}),
  }
  const { status, body: text } = await ask(site, path, { method: 'POST', headers, body })
  return { status, text: text.toString().trim() }
}
