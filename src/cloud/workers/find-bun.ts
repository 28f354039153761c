import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { MokaError, systemErrorCode } from '../../shared/errors.ts'

/** The transport for Bun stands on parts of it that are in no manual, and were seen from here on. */
const MIN_VERSION = [1, 4, 5] as const

const TIMEOUT_MS = 10_000

/**
 * The Bun that edge workers are to run on: `MOKA_BUN`, or `bun` on PATH. Throws EDGE_BUN_MISSING or
 * EDGE_BUN_TOO_OLD.
 */
export async function findBun(env: NodeJS.ProcessEnv): Promise<string> {
  const path = env.MOKA_BUN || 'bun'
  const version = await versionOf(path)
  if (isAtLeast(version, MIN_VERSION)) return path
  throw new MokaError(
    'EDGE_BUN_TOO_OLD',
    `cannot run edge workers on "${path}": it is Bun ${version}, and ${MIN_VERSION.join('.')} is the oldest that can`,
    { hint: '`bun upgrade`, or leave out --edge-runtime: Node is the default' },
  )
}

async function versionOf(path: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: TIMEOUT_MS })
    return stdout.trim()
  } catch (error) {
    const code = systemErrorCode(error)
    const where = path === 'bun' ? 'there is no "bun" on PATH' : 'there is no such program'
    const reason = code === 'ENOENT' ? where : (code ?? 'it does not tell its version')
    throw new MokaError('EDGE_BUN_MISSING', `cannot run edge workers on "${path}": ${reason}`, {
      hint: 'install Bun (https://bun.com), name its program with MOKA_BUN, or leave out --edge-runtime: Node is the default',
      cause: error,
    })
  }
}

function isAtLeast(version: string, least: readonly number[]): boolean {
  const parts = /^(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number)
  if (parts === undefined) return false
  for (const [at, wanted] of least.entries()) {
    if (parts[at] !== wanted) return parts[at]! > wanted
  }
  return true
}
