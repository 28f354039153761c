import { explainAwsError } from '../../sdk/errors.ts'
import { sdk } from '../../sdk/sdk.ts'
import type { Inventory } from './inventory.ts'

/** Names of the snapshots that were kept of the databases that went. */
export async function keptSnapshots({ stacks }: Inventory): Promise<string[]> {
  const kept: string[] = []
  for (const { region, resources } of stacks) {
    for (const { type, physicalId, policy } of resources) {
      if (type !== 'AWS::RDS::DBInstance' || policy !== 'Snapshot') continue
      kept.push(...(await snapshotsOf(physicalId, region)))
    }
  }
  return kept
}

/** Those that somebody made; RDS's own go with the database. */
async function snapshotsOf(DBInstanceIdentifier: string, region: string): Promise<string[]> {
  const { RDSClient, DescribeDBSnapshotsCommand } = await sdk.rds()
  const client = new RDSClient({ region })
  try {
    const { DBSnapshots = [] } = await client.send(
      new DescribeDBSnapshotsCommand({ DBInstanceIdentifier, SnapshotType: 'manual' }),
    )
    return DBSnapshots.map(({ DBSnapshotIdentifier = '' }) => DBSnapshotIdentifier)
  } catch (error) {
    throw explainAwsError(error, `read the snapshots of database "${DBInstanceIdentifier}"`)
  } finally {
    client.destroy()
  }
}
