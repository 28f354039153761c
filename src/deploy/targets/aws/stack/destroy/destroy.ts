import { randomBytes } from 'node:crypto'
import type { StackEvent } from '@aws-sdk/client-cloudformation'
import type { Project } from '../../../../../config/project.ts'
import type { Clock } from '../../../../../shared/clock.ts'
import { SecretParameters } from '../../operations/secrets/secret-parameters.ts'
import { awaitChangeSet } from '../await-change-set.ts'
import {
  followStack,
  isAtRest,
  newestEvent,
  requestToken,
  type Wait,
  waitForOther,
} from '../follow-stack.ts'
import { TEMPLATE_OUTPUT } from '../names.ts'
import { stackFailed } from '../stack-failure.ts'
import { StackService } from '../stack-service.ts'
import { sendTemplate } from '../template-body.ts'
import { deleteZone } from './delete-zone.ts'
import { isDatabase, type Words } from './destroy-plan.ts'
import { emptyBucket } from './empty-bucket.ts'
import type { DeployedTemplate, FoundStack, Inventory } from './inventory.ts'
import { unprotectDatabase } from './unprotect.ts'

/** Told what happens while it happens. */
export interface DestroyObserver {
  onStep?(text: string): void
  onEvent?(event: StackEvent): void
}

export interface DestroyOptions {
  clock: Clock
  who: { user: string; host: string }
  wait: Wait
  words: Words
  observer?: DestroyObserver
}

/**
 * Takes a project off AWS: the database's protection → the site's stack → the domain's stack → what
 * was said in words. Each step leaves what it finds done as it is, so that an interrupted one is
 * simply begun again.
 */
export async function destroy(
  project: Project,
  inventory: Inventory,
  options: DestroyOptions,
): Promise<void> {
  const { words, observer } = options
  for (const found of inventory.stacks) await destroyStack(found, options)
  if (words.deleteBucket) {
    const stacked = resourcesOf(inventory, 'AWS::S3::Bucket')
    for (const bucket of [...stacked, ...inventory.buckets]) {
      observer?.onStep?.(`emptying and deleting bucket "${bucket}"`)
      await emptyBucket(bucket, project.aws.region)
    }
  }
  if (words.deleteZone) {
    const zones = [...resourcesOf(inventory, 'AWS::Route53::HostedZone'), inventory.zone]
    for (const zone of zones) {
      if (zone === undefined) continue
      observer?.onStep?.(`deleting zone "${zone}"`)
      await deleteZone(zone)
    }
  }
  const secrets = await SecretParameters.open(project.name, project.aws.region)
  for (const name of inventory.secrets) {
    observer?.onStep?.(`deleting secret "${name}"`)
    await secrets.remove(name).catch(error => {
      // Somebody else who destroys it was faster.
      if ((error as Error & { cause?: Error }).cause?.name !== 'ParameterNotFound') throw error
    })
  }
}

const resourcesOf = ({ stacks }: Inventory, type: string): string[] =>
  stacks.flatMap(({ resources }) =>
    resources.filter(resource => resource.type === type).map(({ physicalId }) => physicalId),
  )

async function destroyStack(found: FoundStack, options: DestroyOptions): Promise<void> {
  const { name, region } = found
  const { observer, wait } = options
  const service = await StackService.open(region)
  try {
    let { stack } = found
    if (!isAtRest(stack.StackStatus ?? '') && stack.StackStatus !== 'DELETE_IN_PROGRESS') {
      observer?.onStep?.(`waiting: stack "${name}" is ${stack.StackStatus}`)
      const rested = await waitForOther(service, stack, { wait })
      if (rested === undefined) return
      stack = rested
    }
    await release(service, { ...found, stack }, options)
    const id = stack.StackId ?? name
    const since = await newestEvent(service, id)
    observer?.onStep?.(`deleting stack "${name}"`)
    await service.delete(name, tokenOf(options))
    const isUnderWay = stack.StackStatus === 'DELETE_IN_PROGRESS'
    const { status, events } = await followStack(service, id, {
      ...{ since: isUnderWay ? undefined : since, wait },
      ...(observer?.onEvent && { onEvent: event => observer.onEvent?.(event) }),
    })
    if (status !== 'DELETE_COMPLETE') throw stackFailed(name, region, 'delete', events)
  } finally {
    service.close()
  }
}

/** Takes protection off the database, and its snapshot where that was said. */
async function release(
  service: StackService,
  found: FoundStack,
  options: DestroyOptions,
): Promise<void> {
  const { name, stack, template } = found
  const before = stack.StackStatus ?? ''
  if (/^(?:CREATE|ROLLBACK|DELETE)_FAILED$/.test(before)) return unprotectDatabase(service, name)
  // Others take no change any more; of these CloudFormation says what holds them.
  if (!/^(?:CREATE|UPDATE|UPDATE_ROLLBACK)_COMPLETE$/.test(before)) return
  const next = released(template, options.words)
  if (next === undefined) return
  options.observer?.onStep?.('taking the protection off the database')
  const token = tokenOf(options)
  const changeSet = `moka-${randomBytes(8).toString('hex')}`
  const bucket = stack.Outputs?.find(({ OutputKey }) => OutputKey === 'BucketName')?.OutputValue
  const sent = await sendTemplate(JSON.stringify(next), service.region, bucket)
  try {
    await service.createChangeSet({
      ...{ StackName: name, ChangeSetName: changeSet, ChangeSetType: 'UPDATE' },
      Capabilities: ['CAPABILITY_NAMED_IAM'],
      ...sent.source,
      Parameters: (stack.Parameters ?? []).map(({ ParameterKey }) => ({
        ...{ ParameterKey, UsePreviousValue: true },
      })),
      Tags: stack.Tags ?? [],
    })
  } finally {
    await sent.dispose()
  }
  const planned = await awaitChangeSet(service, name, changeSet, options.wait)
  if (planned === undefined) return service.deleteChangeSet(name, changeSet)
  const since = await newestEvent(service, name)
  await service.execute(name, changeSet, token)
  const { status, events } = await followStack(service, name, { since, wait: options.wait })
  if (status !== 'UPDATE_COMPLETE') throw stackFailed(name, service.region, 'change', events)
}

/** The template with a database that may go; undefined where it may already, or there is none. */
function released(template: DeployedTemplate, words: Words): DeployedTemplate | undefined {
  const changed: DeployedTemplate['Resources'] = {}
  for (const [id, resource] of Object.entries(template.Resources)) {
    const { Type, DeletionPolicy, Properties = {} } = resource
    const isKept = DeletionPolicy?.startsWith('Retain') === true && !words.deleteDatabase
    if (!isDatabase(Type) || isKept) continue
    const flag = Type === 'AWS::DSQL::Cluster' ? 'DeletionProtectionEnabled' : 'DeletionProtection'
    const policy = words.deleteDatabase ? 'Delete' : DeletionPolicy
    if (Properties[flag] === false && policy === DeletionPolicy) continue
    changed[id] = {
      ...resource,
      ...(policy !== undefined && { DeletionPolicy: policy }),
      Properties: { ...Properties, [flag]: false },
    }
  }
  if (Object.keys(changed).length === 0) return undefined
  // A deploy that comes in between makes it as it was: by its hash it would take it for that.
  const output = { Description: 'About to be destroyed', Value: 'destroy' }
  return {
    ...template,
    Resources: { ...template.Resources, ...changed },
    Outputs: { ...template.Outputs, [TEMPLATE_OUTPUT]: output },
  }
}

const tokenOf = ({ who, clock }: DestroyOptions) => requestToken(who.user, who.host, clock.now())
