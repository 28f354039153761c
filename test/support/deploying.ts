import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadProject } from '../../src/config/load.ts'
import type { Project } from '../../src/config/project.ts'
import { createControlClient } from '../../src/control/client.ts'
import { type DeployResult, deploy } from '../../src/deploy/deploy.ts'
import { systemClock } from '../../src/shared/clock.ts'

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
