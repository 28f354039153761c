import type { Stack } from '@aws-sdk/client-cloudformation'
import type { Project } from '../../../../config/project.ts'
import { explainAwsError } from '../sdk/errors.ts'
import { sdk } from '../sdk/sdk.ts'
import { isSigned } from './destroy/delete-zone.ts'
import { isUp, outputsOf } from './ensure-stack.ts'
import { GLOBAL_REGION, PROJECT_TAG } from './names.ts'
import type { StackService } from './stack-service.ts'

/**
 * The project with the zone that an earlier stack of it has left, as if its configuration named it:
 * the registrar knows that zone's name servers, and another one would have others. `stack` is the
 * domain's, at rest.
 */
export async function withKeptZone(
  project: Project,
  stack: Stack | undefined,
  service: StackService,
): Promise<Project> {
  const { domain, aws, name } = project
  if (domain === undefined || aws.hostedZoneId !== undefined) return project
  const outputs = isUp(stack) ? outputsOf(stack) : undefined
  // A zone of its own tells its name servers.
  if (outputs?.NameServers !== undefined) return project
  const hostedZoneId = outputs?.HostedZoneId ?? (await findZone(name, domain))
  if (hostedZoneId === undefined) return project
  const hasDnssec =
    aws.hasDnssec &&
    (outputs === undefined
      ? !(await isSigned(hostedZoneId))
      : (await service.template(stack?.StackName ?? '')).includes('AWS::Route53::KeySigningKey'))
  return { ...project, aws: { ...aws, hostedZoneId, hasDnssec } }
}

/** A zone that was made for the project, by its tag. */
export async function findZone(project: string, domain: string): Promise<string | undefined> {
  const { Route53Client, ListHostedZonesByNameCommand, ListTagsForResourceCommand } =
    await sdk.route53()
  const client = new Route53Client({ region: GLOBAL_REGION })
  try {
    const { HostedZones = [] } = await client.send(
      new ListHostedZonesByNameCommand({ DNSName: domain, MaxItems: 10 }),
    )
    for (const { Id = '', Name } of HostedZones) {
      if (Name !== `${domain}.`) continue
      const ResourceId = Id.replace('/hostedzone/', '')
      const { ResourceTagSet } = await client.send(
        new ListTagsForResourceCommand({ ResourceType: 'hostedzone', ResourceId }),
      )
      const tags = ResourceTagSet?.Tags ?? []
      if (tags.some(({ Key, Value }) => Key === PROJECT_TAG && Value === project)) return ResourceId
    }
    return undefined
  } catch (error) {
    throw explainAwsError(error, `look for the zone of ${domain}`)
  } finally {
    client.destroy()
  }
}
