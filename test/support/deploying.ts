import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadProject } from '../../src/config/load.ts'
import type { Project } from '../../src/config/project.ts'
import { createControlClient } from '../../src/control/client.ts'
import { type DeployResult, deploy } from '../../src/deploy/deploy.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { remove, startUp, type TestCloud, temporaryFolder } from './moka.ts'

// A deploy as `moka deploy` makes it, without the start of a process: tests that need many.

export type ControlClient = ReturnType<typeof createControlClient>

/** A client of the cloud that lives in a data directory. */
export async function controlOf(dataDirectory: string): Promise<ControlClient> {
  const runtime = JSON.parse(await readFile(join(dataDirectory, 'cloud.json'), 'utf8'))
  return createControlClient(runtime.addresses.control, runtime.token)
}

/** Deploys a project, named by its folder or loaded before. */
export async function deployFrom(
  source: string | Project,
  client: ControlClient,
): Promise<DeployResult> {
  const project = typeof source === 'string' ? await loadProject(source) : source
  return deploy(project, client, { clock: systemClock })
}

/** A `moka up` of a test file's own. */
export interface OwnCloud {
  /** Folder for projects. */
  root: string
  /** Its data directory. */
  home: string
  cloud: TestCloud
  client: ControlClient
}

export async function openOwnCloud(name: string): Promise<OwnCloud> {
  const root = await temporaryFolder(name)
  const home = await temporaryFolder('home')
  try {
    const cloud = await startUp(home)
    return { root, home, cloud, client: await controlOf(home) }
  } catch (error) {
    await Promise.all([remove(root), remove(home)])
    throw error
  }
}

/** Ends it and removes what it kept; undefined where it did not start. */
export async function closeOwnCloud(own: OwnCloud | undefined): Promise<void> {
  own?.client.close()
  await own?.cloud.stop()
  if (own === undefined) return
  await remove(own.root)
  await remove(own.home)
}
