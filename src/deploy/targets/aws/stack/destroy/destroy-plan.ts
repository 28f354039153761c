import type { FoundResource, Inventory } from './inventory.ts'

/** What is to go besides what goes anyway, as it was said in words. */
export interface Words {
  deleteBucket: boolean
  deleteDatabase: boolean
  deleteZone: boolean
}

/** One thing that goes or stays, for people and programs. */
export interface Fate {
  /** `bucket "mokapot-site-bucket-1x2y"` */
  what: string
  type: string
  id: string
  /** Why it stays, what it costs, how it would go. */
  note?: string
}

export interface DestroyPlan {
  goes: Fate[]
  stays: Fate[]
}

/** What happens to each thing that a project has, before anything happens. */
export function planDestroy(inventory: Inventory, words: Words): DestroyPlan {
  const plan: DestroyPlan = { goes: [], stays: [] }
  for (const { resources } of inventory.stacks) {
    for (const resource of resources) decide(plan, resource, words)
  }
  for (const bucket of inventory.buckets) decide(plan, leftBucket(bucket), words)
  if (inventory.zone !== undefined) decide(plan, leftZone(inventory.zone), words)
  for (const secret of inventory.secrets) {
    plan.goes.push({ what: `secret "${secret}"`, type: 'AWS::SSM::Parameter', id: secret })
  }
  return plan
}

export const isDatabase = (type: string) =>
  type === 'AWS::RDS::DBInstance' || type === 'AWS::DSQL::Cluster'
/** They go with the zone: Route 53 deletes no zone that is signed. */
const isSigning = (type: string) =>
  type === 'AWS::Route53::DNSSEC' || type === 'AWS::Route53::KeySigningKey'

function decide(plan: DestroyPlan, resource: FoundResource, words: Words): void {
  const { type, physicalId: id, policy } = resource
  const goes = (what: string, note?: string) =>
    plan.goes.push({ what, type, id, ...(note !== undefined && { note }) })
  const stays = (what: string, note: string) => plan.stays.push({ what, type, id, note })
  if (type === 'AWS::S3::Bucket') {
    const what = `bucket "${id}"`
    if (words.deleteBucket) goes(what, 'with every object and every older version')
    else stays(what, '--delete-bucket empties and deletes it')
  } else if (isDatabase(type)) {
    const what = `database "${id}"`
    if (words.deleteDatabase) goes(what, 'without a snapshot: what is in it is lost')
    else if (policy === 'Snapshot') {
      goes(what, 'after a last snapshot, which stays (about 0.10 USD a GB and month)')
    } else {
      stays(
        what,
        `idle, it costs what it stores; --delete-database deletes it; later: aws dsql update-cluster --no-deletion-protection-enabled --identifier ${id}, then aws dsql delete-cluster --identifier ${id}`,
      )
    }
  } else if (type === 'AWS::Route53::HostedZone') {
    const what = `zone "${id}"`
    if (words.deleteZone) goes(what, 'with its records: the registrar has to name others then')
    else stays(what, '0.50 USD a month; --delete-zone deletes it')
  } else if (isSigning(type)) {
    if (words.deleteZone) goes(`signing of the zone (${resource.id})`)
    else stays(`signing of the zone (${resource.id})`, 'as long as the zone stays')
  } else if (type === 'AWS::KMS::Key') {
    stays(
      `key "${id}", which signs the zone`,
      `1 USD a month; after the zone: aws kms schedule-key-deletion --key-id ${id} --region us-east-1`,
    )
  } else if (policy === 'Retain') {
    stays(`${resource.id} "${id}"`, 'other projects may use it')
  } else goes(`${resource.id} "${id}"`)
}

const leftBucket = (physicalId: string): FoundResource => ({
  ...{ id: 'Bucket', type: 'AWS::S3::Bucket', physicalId, policy: 'Retain' },
})
const leftZone = (physicalId: string): FoundResource => ({
  ...{ id: 'HostedZone', type: 'AWS::Route53::HostedZone', physicalId, policy: 'Retain' },
})
