import { join } from 'node:path'
import { findProjectRoot, loadProject } from '../config/load.ts'
import { createControlClient } from '../control/client.ts'
import type { CloudApi } from '../control/cloud-api.ts'
import { readRuntime } from '../control/runtime-file.ts'
import { MokaError } from '../shared/errors.ts'
import { homeDirectory } from './home-directory.ts'

/** Options every client command has. */
export interface CloudOptions {
  cloud?: string
  project?: string
}

export interface FoundCloud {
  api: CloudApi
  /** Of its control API. */
  url: string
  token: string
  close(): void
}

/**
 * The cloud a command speaks to: `--cloud` or `MOKA_CLOUD` with `MOKA_TOKEN`, the running `dev`
 * of the project one stands in, the running `up` of this machine. Throws `CLI_NO_CLOUD`.
 */
export async function findCloud(options: CloudOptions): Promise<FoundCloud> {
  const url = options.cloud
  if (url !== undefined && url !== '') return connect(url, await tokenFor(url))
  for (const directory of dataDirectories()) {
    const runtime = readRuntime(directory)
    if (runtime === undefined) continue
    const cloud = connect(runtime.addresses.control, runtime.token)
    const isRunning = await cloud.api.status().then(
      status => status.pid === runtime.pid,
      () => false,
    )
    if (isRunning) return cloud
    cloud.close()
  }
  throw new MokaError('CLI_NO_CLOUD', 'cannot find a cloud: none is running here', {
    hint: '`moka dev` starts one for this project, `moka up` one for this machine; or name one with --cloud',
  })
}

/** The project a command is about: named, or the one it stands in. */
export async function findProjectName(options: CloudOptions): Promise<string> {
  return options.project ?? (await loadProject(process.cwd())).name
}

function connect(url: string, token: string): FoundCloud {
  const client = createControlClient(url, token)
  return { api: client, url, token, close: () => client.close() }
}

/** `MOKA_TOKEN`, or the token of a cloud on this machine that answers at that address. */
async function tokenFor(url: string): Promise<string> {
  const { MOKA_TOKEN } = process.env
  if (MOKA_TOKEN !== undefined && MOKA_TOKEN !== '') return MOKA_TOKEN
  for (const directory of dataDirectories()) {
    const runtime = readRuntime(directory)
    if (runtime?.addresses.control === url.replace(/\/$/, '')) return runtime.token
  }
  throw new MokaError('CLI_NO_TOKEN', `cannot use cloud "${url}": MOKA_TOKEN is not set`, {
    hint: 'on the machine of that cloud, `moka env` prints its token',
  })
}

function dataDirectories(): string[] {
  const root = findProjectRoot(process.cwd())
  return [...(root === undefined ? [] : [join(root, '.moka')]), homeDirectory()]
}
