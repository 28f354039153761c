import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { isRefName } from '../git/packet-lines.ts'

// What GitHub, GitLab and Gitea (and Forgejo) send to a webhook's address:
// docs.github.com/webhooks/webhook-events-and-payloads#push,
// docs.gitlab.com/user/project/integrations/webhook_events, docs.gitea.com/usage/webhooks.

export type Forge = 'github' | 'gitlab' | 'gitea'

export type Delivery =
  /** Of nobody who knows the secret. */
  | { kind: 'unsigned' }
  /** Somebody tries whether the address is right. */
  | { kind: 'ping' }
  /** Signed, and nothing for us. */
  | { kind: 'ignored'; reason: string }
  | PushDelivery

export interface PushDelivery {
  kind: 'push'
  forge: Forge
  /** The same when the forge sends it again. */
  id: string
  /** Such as `refs/heads/main`. */
  ref: string
  /** What the branch is now. */
  commit: string
  /** Such as `lena/portfolio`. */
  repository: string
  /** Its short name. Absent where the forge does not say. */
  defaultBranch?: string
}

const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/
const NOTHING = /^0+$/

/** Checks who has sent a webhook's request, then what it is. Never throws. */
export function readDelivery(headers: IncomingHttpHeaders, body: Buffer, secret: string): Delivery {
  const field = (name: string) => {
    const value = headers[name]
    return typeof value === 'string' ? value : ''
  }
  // Gitea sends GitHub's fields as well, so that its own come first.
  const forge: Forge | undefined =
    field('x-gitea-event') !== ''
      ? 'gitea'
      : field('x-gitlab-event') !== ''
        ? 'gitlab'
        : field('x-github-event') !== ''
          ? 'github'
          : undefined
  if (forge === undefined || !isSigned(forge, field, body, secret)) return { kind: 'unsigned' }
  const event = field(`x-${forge}-event`)
  if (event === 'ping') return { kind: 'ping' }
  if (event !== 'push' && event !== 'Push Hook') {
    return { kind: 'ignored', reason: `events of kind "${event.slice(0, 50)}" deploy nothing` }
  }
  const payload = parse(field('content-type'), body)
  const { ref, after } = payload
  const named =
    forge === 'gitlab' ? payload.project?.path_with_namespace : payload.repository?.full_name
  const about = forge === 'gitlab' ? payload.project : payload.repository
  const defaultBranch = about?.default_branch
  if (typeof ref !== 'string' || typeof after !== 'string' || !COMMIT.test(after)) {
    return { kind: 'ignored', reason: 'it is no push: it names no ref and no commit' }
  }
  if (!isRefName(ref)) return { kind: 'ignored', reason: 'it names no ref' }
  if (NOTHING.test(after)) return { kind: 'ignored', reason: 'the branch was deleted' }
  const id =
    field('x-gitea-delivery') ||
    field('idempotency-key') ||
    field('x-github-delivery') ||
    field('x-gitlab-event-uuid') ||
    createHash('sha256').update(body).digest('hex')
  const repository = String(named ?? '')
  const known = typeof defaultBranch === 'string' ? { defaultBranch } : {}
  return { kind: 'push', forge, id, ref, commit: after, repository, ...known }
}

function isSigned(
  forge: Forge,
  field: (name: string) => string,
  body: Buffer,
  secret: string,
): boolean {
  // GitLab sends the secret itself.
  if (forge === 'gitlab') return isSame(field('x-gitlab-token'), secret)
  const expected = createHmac('sha256', secret).update(body).digest('hex')
  const given =
    forge === 'gitea'
      ? field('x-gitea-signature')
      : /^sha256=(.*)$/.exec(field('x-hub-signature-256'))?.[1]
  return isSame(given ?? '', expected)
}

/** Takes the same time wherever the two differ. */
function isSame(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}

interface Payload {
  ref?: unknown
  after?: unknown
  repository?: { full_name?: unknown; default_branch?: unknown }
  project?: { path_with_namespace?: unknown; default_branch?: unknown }
}

/** GitHub and Gitea send JSON, or a form with JSON in its field `payload`, as the user has it. */
function parse(type: string, body: Buffer): Payload {
  const isForm = type.startsWith('application/x-www-form-urlencoded')
  const text = isForm ? new URLSearchParams(body.toString()).get('payload') : body.toString()
  try {
    const value: unknown = JSON.parse(text ?? '')
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}
