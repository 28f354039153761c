import type { ResourceRecordSet, Route53Client } from '@aws-sdk/client-route-53'
import { explainAwsError } from '../../sdk/errors.ts'
import { sdk } from '../../sdk/sdk.ts'
import { GLOBAL_REGION } from '../names.ts'

/** Route 53 takes so many in one request. */
const MAX_CHANGES = 1000

/** Ends the signing of a zone, and deletes it with its records; one that is gone is no error. */
export async function deleteZone(Id: string): Promise<void> {
  const { Route53Client, DeleteHostedZoneCommand } = await sdk.route53()
  const client = new Route53Client({ region: GLOBAL_REGION })
  try {
    await endSigning(client, Id)
    await deleteRecords(client, Id)
    await client.send(new DeleteHostedZoneCommand({ Id }))
  } catch (error) {
    if ((error as Error).name === 'NoSuchHostedZone') return
    throw explainAwsError(error, `delete zone "${Id}"`)
  } finally {
    client.destroy()
  }
}

/** Whether resolvers that check signatures are told to, by Route 53's side of it. */
export async function isSigned(HostedZoneId: string): Promise<boolean> {
  const { Route53Client, GetDNSSECCommand } = await sdk.route53()
  const client = new Route53Client({ region: GLOBAL_REGION })
  try {
    const { Status } = await client.send(new GetDNSSECCommand({ HostedZoneId }))
    return Status?.ServeSignature === 'SIGNING'
  } catch (error) {
    if ((error as Error).name === 'NoSuchHostedZone') return false
    throw explainAwsError(error, `ask whether zone "${HostedZoneId}" is signed`)
  } finally {
    client.destroy()
  }
}

/** The signing first, then the keys: in this order alone Route 53 takes it. */
async function endSigning(client: Route53Client, HostedZoneId: string): Promise<void> {
  const {
    GetDNSSECCommand,
    DisableHostedZoneDNSSECCommand,
    DeactivateKeySigningKeyCommand,
    DeleteKeySigningKeyCommand,
  } = await sdk.route53()
  const { Status, KeySigningKeys = [] } = await client.send(new GetDNSSECCommand({ HostedZoneId }))
  if (Status?.ServeSignature === 'SIGNING') {
    await client.send(new DisableHostedZoneDNSSECCommand({ HostedZoneId }))
  }
  for (const { Name, Status: state } of KeySigningKeys) {
    const key = { HostedZoneId, Name }
    if (state === 'ACTIVE') await client.send(new DeactivateKeySigningKeyCommand(key))
    await client.send(new DeleteKeySigningKeyCommand(key))
  }
}

/** All but the zone's own, without which there is no zone. */
async function deleteRecords(client: Route53Client, HostedZoneId: string): Promise<void> {
  const { ListResourceRecordSetsCommand, ChangeResourceRecordSetsCommand } = await sdk.route53()
  for (;;) {
    const page = await client.send(new ListResourceRecordSetsCommand({ HostedZoneId }))
    const sets = page.ResourceRecordSets ?? []
    const apex = sets.find(({ Type }) => Type === 'SOA')?.Name
    const isOwn = ({ Name, Type }: ResourceRecordSet) =>
      Name === apex && (Type === 'SOA' || Type === 'NS')
    const others = sets.filter(set => !isOwn(set)).slice(0, MAX_CHANGES)
    if (others.length === 0) return
    const Changes = others.map(set => ({ Action: 'DELETE' as const, ResourceRecordSet: set }))
    await client.send(
      new ChangeResourceRecordSetsCommand({ HostedZoneId, ChangeBatch: { Changes } }),
    )
  }
}
