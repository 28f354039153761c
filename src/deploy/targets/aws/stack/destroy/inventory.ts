import type { Stack } from '@aws-sdk/client-cloudformation'
import type { Project } from '../../../../../config/project.ts'
import { SecretParameters } from '../../operations/secrets/secret-parameters.ts'
import { explainAwsError } from '../../sdk/errors.ts'
import { sdk } from '../../sdk/sdk.ts'
import { findZone } from '../kept-zone.ts'
import { domainStackName, GLOBAL_REGION, PROJECT_TAG, siteStackName } from '../names.ts'
import { StackService } from '../stack-service.ts'

/** A resource of a stack, and what the template says of its end. */
export interface FoundResource {
  id: string
  type: string
  physicalId: string
  policy: 'Delete' | 'Retain' | 'Snapshot'
}

export interface FoundStack {
  name: string
  region: string
  stack: Stack
  template: DeployedTemplate
  resources: FoundResource[]
}

/** As it was sent: JSON of `siteTemplate` and `domainTemplate`. */
export interface DeployedTemplate {
  Resources: Record<
    string,
    { Type: string; DeletionPolicy?: string; Properties?: Record<string, unknown> }
  >
  Outputs?: Record<string, unknown>
}

/** What a project has on AWS, whether in its stacks or left by them. */
export interface Inventory {
  /** Site first: it leans on the other one. */
  stacks: FoundStack[]
  /** Of the project, in no stack: an earlier destroy kept them. */
  buckets: string[]
  /** The same of its zone. */
  zone: string | undefined
  secrets: string[]
}

export async function takeInventory(project: Project): Promise<Inventory> {
  const { name, domain, aws } = project
  const [site, zoneStack, buckets, zone, secrets] = await Promise.all([
    findStack(siteStackName(name), aws.region),
    findStack(domainStackName(name), GLOBAL_REGION),
    findBuckets(project),
    // One that was named in the configuration is not of our making.
    domain === undefined || aws.hostedZoneId !== undefined ? undefined : findZone(name, domain),
    SecretParameters.open(name, aws.region).then(all => all.list()),
  ])
  const stacks = [site, zoneStack].filter(stack => stack !== undefined)
  const inStacks = new Set(stacks.flatMap(each => each.resources.map(one => one.physicalId)))
  return {
    stacks,
    buckets: buckets.filter(bucket => !inStacks.has(bucket)),
    zone: zone === undefined || inStacks.has(zone) ? undefined : zone,
    secrets: secrets.map(secret => secret.name),
  }
}

async function findStack(name: string, region: string): Promise<FoundStack | undefined> {
  const service = await StackService.open(region)
  try {
    const stack = await service.find(name)
    if (stack === undefined) return undefined
    // Of a plan that was never executed there is neither.
    if (stack.StackStatus === 'REVIEW_IN_PROGRESS') {
      return { name, region, stack, template: { Resources: {} }, resources: [] }
    }
    const [text, resources] = await Promise.all([service.template(name), service.resources(name)])
    const template = JSON.parse(text) as DeployedTemplate
    return {
      ...{ name, region, stack, template },
      resources: resources
        .filter(({ ResourceStatus }) => ResourceStatus !== 'DELETE_COMPLETE')
        .map(({ LogicalResourceId: id = '', ResourceType, PhysicalResourceId }) => ({
          ...{ id, type: ResourceType ?? '', physicalId: PhysicalResourceId ?? '' },
          policy: policyOf(template.Resources[id]?.DeletionPolicy),
        })),
    }
  } finally {
    service.close()
  }
}

function policyOf(policy: string | undefined): FoundResource['policy'] {
  if (policy?.startsWith('Retain')) return 'Retain'
  return policy === 'Snapshot' ? 'Snapshot' : 'Delete'
}

/** By the name that CloudFormation gives, and by the tag, which nobody else's has. */
async function findBuckets({ name, aws }: Project): Promise<string[]> {
  const { S3Client, ListBucketsCommand, GetBucketTaggingCommand } = await sdk.s3()
  const s3 = new S3Client({ region: aws.region })
  try {
    const Prefix = `${siteStackName(name)}-`.slice(0, 30).toLowerCase()
    const { Buckets = [] } = await s3.send(new ListBucketsCommand({ Prefix }))
    const names = Buckets.map(({ Name = '' }) => Name).filter(each => each.startsWith(Prefix))
    const found = await Promise.all(
      names.map(async Bucket => {
        // One without tags, or in another region, is none of this project in this region.
        const tags = await s3.send(new GetBucketTaggingCommand({ Bucket })).catch(() => undefined)
        const isOurs = tags?.TagSet?.some(({ Key, Value }) => Key === PROJECT_TAG && Value === name)
        return isOurs === true ? [Bucket] : []
      }),
    )
    return found.flat()
  } catch (error) {
    throw explainAwsError(error, `look for buckets of project "${name}"`)
  } finally {
    s3.destroy()
  }
}
