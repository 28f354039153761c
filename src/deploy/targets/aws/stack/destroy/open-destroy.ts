import type { Project } from '../../../../../config/project.ts'
import { type DnsView, systemDns } from '../../../../doctor/dns/view.ts'
import { Bucket } from '../../release/objects/bucket.ts'
import { DeployLock, describeHolder } from '../../release/shelf/deploy-lock.ts'
import { outputsOf } from '../ensure-stack.ts'
import { realWait, type Wait } from '../follow-stack.ts'
import { type DestroyOptions, destroy } from './destroy.ts'
import { type DestroyPlan, planDestroy, type Words } from './destroy-plan.ts'
import { type Inventory, takeInventory } from './inventory.ts'
import { refuseWhileSigned } from './refuse-signed.ts'
import { keptSnapshots } from './snapshots.ts'

export interface PlannedDestroy {
  plan: DestroyPlan
  run(options: Omit<DestroyOptions, 'words' | 'wait'> & { wait?: Wait }): Promise<Destroyed>
}

export interface Destroyed {
  /** Of the database, by the names that RDS knows them by. */
  snapshots: string[]
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
    async run({ wait = realWait, ...options }) {
      const release = await lockDeploys(project, inventory, options)
      try {
        await destroy(project, inventory, { ...options, words, wait })
        // What is told besides makes nothing of it undone.
        return { snapshots: await keptSnapshots(inventory).catch(() => []) }
      } finally {
        await release()
      }
    },
  }
}

/** Nobody deploys meanwhile, nor is destroyed while deploying. */
async function lockDeploys(
  project: Project,
  { stacks }: Inventory,
  { clock, observer }: Pick<DestroyOptions, 'clock' | 'observer'>,
): Promise<() => Promise<void>> {
  const name = outputsOf(stacks[0]?.stack).BucketName
  if (name === undefined) return async () => {}
  const bucket = await Bucket.open(name, project.aws.region)
  const lock = await DeployLock.acquire(bucket, {
    clock,
    onWait: holder => observer?.onStep?.(`${describeHolder(holder, clock.now())}; waiting for it`),
  })
  return async () => {
    // With the bucket, its lock is gone, too.
    await lock.release().catch(() => {})
    bucket.close()
  }
}
