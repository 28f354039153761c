import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import type { DeployTokens } from '../control/deploy-tokens.ts'
import type { Deployer, DeployRequest } from '../pipeline/deploy-push.ts'
import { MokaError } from '../shared/errors.ts'
import type { Logger } from '../shared/logger.ts'
import type { Masker } from '../shared/masking/masker.ts'
import { tieToParent } from '../shared/tied-process.ts'
import { type ProjectUser, ProjectUsers } from '../shared/users/project-users.ts'
import { OutputTail } from './notifications/output-tail.ts'
import { maskingStream } from './secrets/masking.ts'

const SPARE = fileURLToPath(new URL('../cli/spare.js', import.meta.url))
/** A client that asked what is there pushes within seconds, or not at all. */
const SPARE_MS = 30_000
/** As src/cli/spare.ts takes it, which is run and not imported. */
interface SpareJob {
  cwd: string
  variables: Record<string, string>
  args: string[]
}

/** Settings of our own, and where our user has his caches and configuration. */
const OURS =
  /^(?:(?:MOKA|GIT|XDG)_|(?:USER|LOGNAME|PNPM_HOME|BUN_INSTALL|COREPACK_HOME)$|npm_config_(?:cache|prefix|userconfig|globalconfig)$)/i

/** Builds and tests have limits of their own; this is for all that can hang besides. */
const TIMEOUT_MS = 60 * 60_000
/** A deploy that was told to end ends its build first. */
const END_MS = 1500

/** As whom pushes are built, where the cloud is root and can be reached by others; else undefined. */
export function openBuildUsers(
  directory: string,
  logger: Logger,
): ((project: string) => ProjectUser | undefined) | undefined {
  if (process.getuid?.() === 0) mkdirSync(directory, { recursive: true })
  const users = ProjectUsers.open('builds', directory, note => logger.warn(note))
  const programs = [process.execPath, SPARE, fileURLToPath(import.meta.resolve('esbuild'))]
  return users && (project => users.of(project, 'pushed', () => programs))
}

/**
 * Deploys what was pushed with `moka deploy` in its checkout, as one would by hand. It gets a token for
 * this one project and this one deploy.
 */
export function createDeployer(options: {
  tokens: DeployTokens
  /** Of the control API. */
  address(): string
  /** As whom a project's pushes are built, where that is not as we are. */
  userOf(project: string): ProjectUser | undefined
  addressOf: Deployer['addressOf']
  removePreview: Deployer['removePreview']
  /** Takes secrets out of what builds say. */
  masker(project: string): Masker
  /** `said` is the end of what the deploy has said. */
  onFailure(request: DeployRequest, error: unknown, said: string, durationMs: number): void
}): Deployer {
  const processes = new DeployProcesses(options.userOf)
  return {
    addressOf: options.addressOf,
    removePreview: options.removePreview,
    expect: project => processes.expect(project),
    async deploy(request) {
      const { token, revoke } = options.tokens.grant(request.project, request.isPreview)
      const startMs = performance.now()
      const tail = new OutputTail()
      try {
        const { directory: cwd, branch, isPreview } = request
        const args = ['deploy', ...(isPreview ? [`--preview=${branch}`] : ['--test'])]
        const variables = { MOKA_CLOUD: options.address(), MOKA_TOKEN: token }
        const child = processes.take(request.project, { cwd, variables, args })
        await watchDeploy(child, request, options.masker(request.project), tail)
      } catch (error) {
        options.onFailure(request, error, tail.text, Math.round(performance.now() - startMs))
        throw error
      } finally {
        revoke()
      }
    },
    close: () => processes.close(),
  }
}

type DeployProcess = ChildProcessByStdio<null, Readable, Readable>

/**
 * Processes that deploy. To start one and load what it needs takes a quarter of a second, in which a
 * client that is about to push makes its pack.
 */
class DeployProcesses {
  #spare: { project: string; child: DeployProcess; timer: NodeJS.Timeout } | undefined
  readonly #userOf: (project: string) => ProjectUser | undefined

  constructor(userOf: (project: string) => ProjectUser | undefined) {
    this.#userOf = userOf
  }

  expect(project: string): void {
    if (this.#spare?.project === project) return
    this.close()
    const child = start(this.#userOf(project))
    const timer = setTimeout(() => this.close(), SPARE_MS).unref()
    const spare = { project, child, timer }
    this.#spare = spare
    child.once('exit', () => {
      if (this.#spare === spare) this.#forget()
    })
  }

  take(project: string, job: SpareJob): DeployProcess {
    const spare = this.#spare?.project === project ? this.#spare : undefined
    const child = spare?.child ?? start(this.#userOf(project))
    if (spare !== undefined) this.#forget()
    child.send(job, () => {}) // one that has ended says so by its exit
    return child
  }

  close(): void {
    this.#spare?.child.kill('SIGKILL')
    this.#forget()
  }

  #forget(): void {
    clearTimeout(this.#spare?.timer)
    this.#spare = undefined
  }
}

function start(user: ProjectUser | undefined): DeployProcess {
  // It is told to end, not killed: it has a build to end, whose processes the system ties to nobody.
  const { command, args } = tieToParent(process.execPath, [SPARE], 'TERM')
  const child = spawn(command, args, {
    env: environmentFor(user),
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    ...(user && { uid: user.uid, gid: user.gid, cwd: '/' }),
  })
  child.on('error', () => {}) // it has no exit code then
  return child as DeployProcess
}

async function watchDeploy(
  child: DeployProcess,
  { branch, commit, isPreview, output, signal }: DeployRequest,
  masker: Masker,
  tail: OutputTail,
): Promise<void> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS)
  const release = endWith(child, AbortSignal.any([signal, timeout]))
  const said = [child.stdout, child.stderr].map(stream => stream.pipe(maskingStream(masker)))
  for (const stream of said) {
    stream.on('data', chunk => tail.push(String(chunk)))
    stream.pipe(output, { end: false })
  }
  // What nobody reads any more would keep the process from its end.
  const letGo = () => {
    for (const stream of said) stream.unpipe(output).resume()
  }
  if (output.destroyed) letGo()
  else output.once('close', letGo)
  const [code] = (await once(child, 'close').finally(release)) as [number | null]
  await Promise.all(said.map(stream => finished(stream)))
  output.off('close', letGo)
  if (code === 0) return
  signal.throwIfAborted()
  const what = `${branch} at ${commit.slice(0, 7)}`
  const reason = timeout.aborted ? 'it took longer than an hour' : 'see above'
  throw new MokaError(
    'PIPELINE_DEPLOY_FAILED',
    isPreview
      ? `cannot make a preview of ${what}: its deploy failed, ${reason}`
      : `cannot take ${what}: its deploy failed, ${reason}; what was live stays live`,
  )
}

/**
 * What a service was given for its builds, without what is the cloud's own; for another user also
 * without what names our folders.
 */
function environmentFor(user: ProjectUser | undefined): Record<string, string | undefined> {
  const withheld = user === undefined ? /^(?:MOKA|GIT)_/ : OURS
  const entries = Object.entries(process.env).filter(([name]) => !withheld.test(name))
  const { home } = user ?? {}
  return { ...Object.fromEntries(entries), ...(home && { HOME: home, TMPDIR: home }) }
}

/** Ends a process when the signal comes: politely, then by force. Returns what undoes that. */
function endWith(child: ChildProcess, signal: AbortSignal): () => void {
  let timer: NodeJS.Timeout | undefined
  const end = () => {
    child.kill('SIGTERM')
    timer = setTimeout(() => child.kill('SIGKILL'), END_MS)
  }
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  return () => {
    clearTimeout(timer)
    signal.removeEventListener('abort', end)
  }
}
