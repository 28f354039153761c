import { explainAwsError } from '../../sdk/errors.ts'
import { sdk } from '../../sdk/sdk.ts'
import type { StackService } from '../stack-service.ts'

/**
 * Takes the protection off the database of a stack that CloudFormation no longer changes: one that
 * failed to come up, or to go. It would hold each further deletion, too.
 */
export async function unprotectDatabase(service: StackService, stack: string): Promise<void> {
  for (const resource of await service.resources(stack)) {
    const { ResourceType, ResourceStatus, PhysicalResourceId = '' } = resource
    if (ResourceType !== 'AWS::RDS::DBInstance' || PhysicalResourceId === '') continue
    if (ResourceStatus !== 'DELETE_COMPLETE') await unprotect(PhysicalResourceId, service.region)
  }
}

async function unprotect(DBInstanceIdentifier: string, region: string): Promise<void> {
  const { RDSClient, ModifyDBInstanceCommand } = await sdk.rds()
  const client = new RDSClient({ region })
  const input = { DBInstanceIdentifier, DeletionProtection: false, ApplyImmediately: true }
  try {
    await client.send(new ModifyDBInstanceCommand(input))
  } catch (error) {
    // It never came up, or somebody has deleted it.
    if ((error as Error).name === 'DBInstanceNotFoundFault') return
    throw explainAwsError(error, `take the protection off database "${DBInstanceIdentifier}"`)
  } finally {
    client.destroy()
  }
}
