import { setTimeout } from 'node:timers/promises'
import type { CloudFormationClient } from '@aws-sdk/client-cloudformation'
import type { RDSClient } from '@aws-sdk/client-rds'
import { MokaError } from '../../../../../shared/errors.ts'
import { explainAwsError } from '../../sdk/errors.ts'
import { sdk } from '../../sdk/sdk.ts'
import { PROJECT_TAG, siteStackName } from '../../stack/names.ts'

/** What the template calls the instance. */
const INSTANCE_ID = 'Database'
const POLL_MS = 5000
const PATIENCE_MS = 60 * 60_000

export interface Snapshot {
  id: string
  /** What it takes at most; RDS keeps changes alone. */
  sizeGigabytes: number
}

/** Makes a snapshot of the project's database on RDS, and waits until it is there. */
export async function takeSnapshot(
  clients: { rds: Pick<RDSClient, 'send'>; stacks: Pick<CloudFormationClient, 'send'> },
  project: string,
  { nowMs, pollMs = POLL_MS }: { nowMs: number; pollMs?: number },
  onProgress: (percent: number) => void = () => {},
): Promise<Snapshot> {
  const rds = await sdk.rds()
  const what = `back up the database of project "${project}"`
  try {
    const DBInstanceIdentifier = await findInstance(clients.stacks, project)
    const time = new Date(nowMs).toISOString().replace(/[-:T]|\..*/g, '')
    const id = `mokapot-${project}-${time.slice(0, 8)}-${time.slice(8)}`
    await clients.rds.send(
      new rds.CreateDBSnapshotCommand({
        DBInstanceIdentifier,
        DBSnapshotIdentifier: id,
        Tags: [{ Key: PROJECT_TAG, Value: project }],
      }),
    )
    for (let waitedMs = 0; waitedMs <= PATIENCE_MS; waitedMs += pollMs) {
      const { DBSnapshots = [] } = await clients.rds.send(
        new rds.DescribeDBSnapshotsCommand({ DBSnapshotIdentifier: id }),
      )
      const { Status, PercentProgress = 0, AllocatedStorage = 0 } = DBSnapshots[0] ?? {}
      if (Status === 'available') return { id, sizeGigabytes: AllocatedStorage }
      if (Status === 'failed') throw failed(what, id)
      onProgress(PercentProgress)
      await setTimeout(pollMs)
    }
    throw new MokaError(
      'AWS_SNAPSHOT_SLOW',
      `cannot ${what}: snapshot "${id}" is still being made after ${PATIENCE_MS / 60_000} minutes`,
      { hint: `it goes on: aws rds describe-db-snapshots --db-snapshot-identifier ${id}` },
    )
  } catch (error) {
    throw explainAwsError(error, what)
  }
}

async function findInstance(
  stacks: Pick<CloudFormationClient, 'send'>,
  project: string,
): Promise<string> {
  const { DescribeStackResourcesCommand } = await sdk.cloudformation()
  const StackName = siteStackName(project)
  const found = await stacks
    .send(new DescribeStackResourcesCommand({ StackName, LogicalResourceId: INSTANCE_ID }))
    .catch((error: Error) => {
      if (error.name !== 'ValidationError') throw error
      return undefined
    })
  const id = found?.StackResources?.find(
    resource => resource.LogicalResourceId === INSTANCE_ID,
  )?.PhysicalResourceId
  if (id !== undefined) return id
  throw new MokaError(
    'AWS_DATABASE_MISSING',
    `cannot back up the database of project "${project}": stack "${StackName}" has none`,
    { hint: 'moka deploy --to aws makes it; in another region? set AWS_REGION or aws.region' },
  )
}

function failed(what: string, id: string): MokaError {
  return new MokaError('AWS_SNAPSHOT_FAILED', `cannot ${what}: RDS gave up snapshot "${id}"`, {
    hint: 'the console tells why: RDS → Events; then again',
  })
}
