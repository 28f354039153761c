import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncDirectory } from '../../shared/atomic-file.ts'
import { MokaError } from '../../shared/errors.ts'
import type { Binaries } from './binaries.ts'
import { giveTo, type Identity } from './identity.ts'
import { runTied, type Tie } from './run.ts'

const TEMPORARY_PREFIX = 'initialising-'

export interface Superuser {
  name: string
  password: string
}

/**
 * Makes the data directory unless it exists. initdb works under a temporary name that is renamed
 * when all is done and synced, so a kill at any moment leaves a whole directory or none.
 * Throws `DATABASE_INIT_FAILED` with what initdb said.
 */
export async function initialise(
  dataDirectory: string,
  superuser: Superuser,
  binaries: Binaries,
  identity: Identity,
  tie: Tie,
  signal: AbortSignal,
): Promise<void> {
  if (await stat(dataDirectory).catch(() => undefined)) return
  const directory = dirname(dataDirectory)
  for (const name of await readdir(directory)) {
    if (name.startsWith(TEMPORARY_PREFIX)) {
      await rm(join(directory, name), { recursive: true, force: true })
    }
  }
  const temporary = join(directory, TEMPORARY_PREFIX + randomBytes(6).toString('hex'))
  const passwordFile = join(temporary, 'password')
  const cluster = join(temporary, 'data')
  try {
    await mkdir(temporary, { mode: 0o700 })
    await writeFile(passwordFile, superuser.password, { mode: 0o600 })
    await giveTo(identity, temporary)
    const args = [
      ['-D', cluster, '-U', superuser.name, `--pwfile=${passwordFile}`, '-A', 'scram-sha-256'],
      // The built-in provider: the same order and case rules on every machine and system version.
      ['-E', 'UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'],
      ['--no-instructions'],
    ]
    await runInitdb(args.flat(), binaries, identity, tie, signal)
    await chmod(cluster, 0o700)
    await rename(cluster, dataDirectory)
    await syncDirectory(directory)
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

function runInitdb(
  args: readonly string[],
  binaries: Binaries,
  identity: Identity,
  tie: Tie,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = runTied(binaries.initdb, args, binaries, identity, tie)
    let output = ''
    const stop = () => child.kill('SIGKILL')
    const fail = (cause: unknown) =>
      reject(
        new MokaError(
          'DATABASE_INIT_FAILED',
          `cannot initialise PostgreSQL: ${output.trim() || String(cause)}`,
          { cause },
        ),
      )
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    child.stderr?.setEncoding('utf8').on('data', text => {
      output = (output + text).slice(-4000)
    })
    child.on('error', fail)
    child.on('close', (code, killedBy) => {
      signal.removeEventListener('abort', stop)
      if (code === 0) resolve()
      else fail(killedBy ?? `initdb ended with status ${code}`)
    })
    child.on('exit', () => child.stdin?.destroy())
  })
}
