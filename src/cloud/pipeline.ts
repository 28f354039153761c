import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { finished } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import type { DeployTokens } from '../control/deploy-tokens.ts'
import type { Deployer, DeployRequest } from '../pipeline/pipeline.ts'
import { MokaError } from '../shared/errors.ts'
import type { Masker } from '../shared/masker.ts'
import { tieToParent } from '../shared/tied-process.ts'
import { maskingStream } from './secrets/masking.ts'

const MAIN = fileURLToPath(new URL('../cli/main.js', import.meta.url))
/** Builds and tests have limits of their own; this is for all that can hang besides. */
const TIMEOUT_MS = 60 * 60_000
/** A deploy that was told to end ends its build first. */
const END_MS = 1500

/**
 * Deploys what was pushed with `moka deploy` in its checkout, as one would by hand. It gets a token for
 * this one project and this one deploy.
 */
export function createDeployer(options: {
  tokens: DeployTokens
  /** Of the control API. */
  address(): string
  addressOf: Deployer['addressOf']
  /** Takes secrets out of what builds say. */
  masker(project: string): Masker
}): Deployer {
  return {
    addressOf: options.addressOf,
    async deploy(request) {
      const { token, revoke } = options.tokens.grant(request.project)
      try {
        await runDeploy(request, options.masker(request.project), {
          MOKA_CLOUD: options.address(),
          MOKA_TOKEN: token,
        })
      } finally {
        revoke()
      }
    },
  }
}

async function runDeploy(
  { directory, branch, commit, output, signal }: DeployRequest,
  masker: Masker,
  variables: Record<string, string>,
): Promise<void> {
  const { command, args } = tieToParent(process.execPath, [MAIN, 'deploy', '--test'])
  const child = spawn(command, args, {
    cwd: directory,
    env: { ...ownEnvironment(), ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const timeout = AbortSignal.timeout(TIMEOUT_MS)
  const release = endWith(child, AbortSignal.any([signal, timeout]))
  const said = [child.stdout, child.stderr].map(stream => stream.pipe(maskingStream(masker)))
  for (const stream of said) stream.pipe(output, { end: false })
  const [code] = (await once(child, 'close').finally(release)) as [number | null]
  await Promise.all(said.map(stream => finished(stream)))
  if (code === 0) return
  signal.throwIfAborted()
  const what = `${branch} at ${commit.slice(0, 7)}`
  const reason = timeout.aborted ? 'it took longer than an hour' : 'see above'
  throw new MokaError(
    'PIPELINE_DEPLOY_FAILED',
    `cannot take ${what}: its deploy failed, ${reason}; what was live stays live`,
  )
}

/** What a service was given for its builds, without what is the cloud's own. */
function ownEnvironment(): Record<string, string | undefined> {
  const entries = Object.entries(process.env)
  return Object.fromEntries(entries.filter(([name]) => !/^(?:MOKA|GIT)_/.test(name)))
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
