import type { Project } from '../../../../../config/project.ts'
import { type DnsView, systemDns } from '../../../../doctor/dns/view.ts'
import { realWait, type Wait } from '../follow-stack.ts'
import { type DestroyOptions, destroy } from './destroy.ts'
import { type DestroyPlan, planDestroy, type Words } from './destroy-plan.ts'
import { takeInventory } from './inventory.ts'
import { refuseWhileSigned } from './refuse-signed.ts'

export interface PlannedDestroy {
  plan: DestroyPlan
  run(options: Omit<DestroyOptions, 'words' | 'wait'> & { wait?: Wait }): Promise<void>
}

/** Finds what a project has on AWS; nothing happens before `run`. */
export async function openDestroy(
  project: Project,
  words: Words,
  dns: DnsView = systemDns(),
): Promise<PlannedDestroy> {
  const inventory = await takeInventory(project)
  const plan = planDestroy(inventory, words)
  const zone = plan.goes.find(({ type }) => type === 'AWS::Route53::HostedZone')?.id
  if (zone !== undefined && project.domain !== undefined) {
    await refuseWhileSigned(zone, project.domain, dns)
  }
  return {
    plan,
    run: ({ wait = realWait, ...options }) =>
      destroy(project, inventory, { ...options, words, wait }),
  }
}
