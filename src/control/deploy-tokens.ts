import { createHash, randomBytes } from 'node:crypto'
import { MokaError } from '../shared/errors.ts'
import type { PublishRequest } from './cloud-api.ts'

const DEPLOY_ROUTES =
  /^(?:GET \/v1\/status|POST \/v1\/(?:missing|blobs|blobs\/[0-9a-f]{64}\/join|releases))$/
const PROJECT_ROUTE =
  /^(?:GET \/v1\/projects\/([^/]+)\/(?:live|releases|previews(?:\/[^/]+)?)|POST \/v1\/projects\/([^/]+)\/build-secrets)$/

/**
 * Tokens that allow to deploy one project and nothing else, for as long as somebody holds them:
 * what a push is deployed with, whose code is not the cloud's own.
 */
export class DeployTokens {
  // By hash: a look-up takes no other time for a token that begins like a real one.
  readonly #grants = new Map<string, DeployGrant>()

  /** With `onlyPreviews` nothing goes live by it. */
  grant(project: string, onlyPreviews = false): { token: string; revoke(): void } {
    const token = randomBytes(32).toString('base64url')
    const key = hashOf(token)
    this.#grants.set(key, { project, onlyPreviews })
    return { token, revoke: () => this.#grants.delete(key) }
  }

  of(token: string): DeployGrant | undefined {
    return this.#grants.get(hashOf(token))
  }
}

/** What such a token allows. */
export interface DeployGrant {
  project: string
  onlyPreviews: boolean
}

/** Throws `CONTROL_OTHER_PROJECT` and `CONTROL_ONLY_PREVIEWS` for a release that a token is not for. */
export function requirePublish(
  { draft, preview }: Pick<PublishRequest, 'draft' | 'preview'>,
  { project, onlyPreviews }: DeployGrant,
): void {
  requireProject(draft.project, project)
  if (!onlyPreviews || preview !== undefined) return
  throw new MokaError(
    'CONTROL_ONLY_PREVIEWS',
    `cannot make a release of project "${project}" live: this deploy is for a preview`,
    { hint: 'only what is pushed to the main branch goes live' },
  )
}

/** Throws `CONTROL_OTHER_PROJECT` and `CONTROL_DEPLOY_ONLY` for what such a token does not allow. */
export function requireDeploy(method: string, path: string, project: string): void {
  const [, read, built] = PROJECT_ROUTE.exec(`${method} ${path}`) ?? []
  const named = read ?? built
  if (named !== undefined) requireProject(named, project)
  if (named !== undefined || DEPLOY_ROUTES.test(`${method} ${path}`)) return
  throw new MokaError(
    'CONTROL_DEPLOY_ONLY',
    `cannot ${method} "${path}": this token allows to deploy project "${project}", and nothing else`,
  )
}

/** Throws `CONTROL_OTHER_PROJECT`. */
export function requireProject(named: unknown, project: string): void {
  if (named === project) return
  throw new MokaError(
    'CONTROL_OTHER_PROJECT',
    `cannot deploy project "${named}": this deploy is for project "${project}"`,
    {
      hint: `push it to its own remote, …/git/${named}.git, or correct name in moka.config.ts`,
    },
  )
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
