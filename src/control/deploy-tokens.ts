import { createHash, randomBytes } from 'node:crypto'
import { MokaError } from '../shared/errors.ts'

const DEPLOY_ROUTES = /^(?:GET \/v1\/status|POST \/v1\/(?:missing|blobs|releases))$/
const PROJECT_ROUTE =
  /^(?:GET \/v1\/projects\/([^/]+)\/(?:live|releases)|POST \/v1\/projects\/([^/]+)\/build-secrets)$/

/**
 * Tokens that allow to deploy one project and nothing else, for as long as somebody holds them:
 * what a push is deployed with, whose code is not the cloud's own.
 */
export class DeployTokens {
  // By hash: a look-up takes no other time for a token that begins like a real one.
  readonly #projects = new Map<string, string>()

  grant(project: string): { token: string; revoke(): void } {
    const token = randomBytes(32).toString('base64url')
    const key = hashOf(token)
    this.#projects.set(key, project)
    return { token, revoke: () => this.#projects.delete(key) }
  }

  projectOf(token: string): string | undefined {
    return this.#projects.get(hashOf(token))
  }
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
