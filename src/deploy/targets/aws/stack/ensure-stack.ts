import { createHash, randomBytes } from 'node:crypto'
import type { Stack, StackEvent } from '@aws-sdk/client-cloudformation'
import type { Template } from '../template/format.ts'
import { awaitChangeSet } from './await-change-set.ts'
import { type PlannedChange, planChanges, refuseLoss } from './change-plan.ts'
import { unprotectDatabase } from './destroy/unprotect.ts'
import {
  followStack,
  isAtRest,
  newestEvent,
  stuck,
  type Wait,
  waitForOther,
} from './follow-stack.ts'
import { TEMPLATE_OUTPUT } from './names.ts'
import { stackFailed } from './stack-failure.ts'
import type { StackService } from './stack-service.ts'
import { sendTemplate } from './template-body.ts'

/** Told what happens to a stack while it happens. */
export interface StackObserver {
  /** Before anything is changed. */
  onPlan?(stack: string, changes: readonly PlannedChange[]): void
  onEvent?(event: StackEvent): void
  /** Something else changes it; `who` where another moka does. */
  onWait?(stack: string, status: string, who: string | undefined): void
  /** A stack that never came up is deleted, to be made anew. */
  onCleanUp?(stack: string, status: string): void
}

export interface EnsureStackOptions {
  service: StackService
  name: string
  template: Template
  /** As `service.find` gave it. */
  found: Stack | undefined
  /** Values of the template's parameters. */
  parameters: Readonly<Record<string, string>>
  /** On the stack and, by CloudFormation, on everything in it. */
  tags: Readonly<Record<string, string>>
  /** Who does it, as `requestToken` writes it. */
  token: string
  wait: Wait
  /** Ids of resources with data that may go or be made anew. */
  mayLose?: readonly string[]
  observer?: StackObserver
}

export interface EnsuredStack {
  outputs: Record<string, string>
  isChanged: boolean
}

/** As often as somebody else may be faster before it is given up. */
const MAX_ATTEMPTS = 5

/**
 * Makes a stack be as its template says: brings it to rest → compares → plans a change set →
 * executes it → follows it to its end. Nothing is asked where it is so already. Whoever was faster
 * with the same is waited for.
 */
export async function ensureStack(options: EnsureStackOptions): Promise<EnsuredStack> {
  let { found } = options
  for (let attempt = 1; ; attempt++) {
    try {
      return await ensureOnce({ ...options, found })
    } catch (error) {
      if (!isOvertaken(error) || attempt === MAX_ATTEMPTS) throw error
      found = await options.service.find(options.name)
    }
  }
}

/** Our change set went with somebody else's, or the stack is on its way with theirs. */
function isOvertaken(error: unknown): boolean {
  const cause = (error as { cause?: unknown }).cause
  if (!(cause instanceof Error)) return false
  if (/^(?:ChangeSetNotFound|InvalidChangeSetStatus)/.test(cause.name)) return true
  return /_IN_PROGRESS state|cannot be created again with the changeSet/.test(cause.message)
}

async function ensureOnce(options: EnsureStackOptions): Promise<EnsuredStack> {
  const { service, name, observer } = options
  const { text, hash } = withHash(options)
  const stack = await startable(options)
  if (stack !== undefined && outputsOf(stack)[TEMPLATE_OUTPUT] === hash) {
    return { outputs: outputsOf(stack), isChanged: false }
  }
  const changeSet = `moka-${randomBytes(8).toString('hex')}`
  const isPlanned = await planChangeSet(options, { text, changeSet, isNew: stack === undefined })
  if (!isPlanned) {
    await service.deleteChangeSet(name, changeSet)
    return { outputs: outputsOf(stack), isChanged: false }
  }
  const since = await newestEvent(service, name)
  await service.execute(name, changeSet, options.token)
  const followed = await followStack(service, name, {
    ...{ since, wait: options.wait },
    ...(observer?.onEvent && { onEvent: event => observer.onEvent?.(event) }),
  })
  if (!/^(?:CREATE|UPDATE)_COMPLETE$/.test(followed.status)) {
    const verb = stack === undefined ? 'make' : 'change'
    throw stackFailed(name, service.region, verb, followed.events)
  }
  return { outputs: outputsOf(followed.stack), isChanged: true }
}

/** What a stack gives to those who use it. */
export function outputsOf(stack: Stack | undefined): Record<string, string> {
  const outputs: Record<string, string> = {}
  for (const { OutputKey = '', OutputValue = '' } of stack?.Outputs ?? []) {
    outputs[OutputKey] = OutputValue
  }
  return outputs
}

/** Whether the stack was made by just this. */
export const isMadeBy = (
  made: Pick<EnsureStackOptions, 'found' | 'template' | 'parameters' | 'tags'>,
): boolean => isUp(made.found) && outputsOf(made.found)[TEMPLATE_OUTPUT] === withHash(made).hash

/** The template with the hash of all that the stack is made from, in few bytes. */
function withHash({
  template,
  parameters,
  tags,
}: Pick<EnsureStackOptions, 'template' | 'parameters' | 'tags'>): {
  text: string
  hash: string
} {
  const sorted = (values: Readonly<Record<string, string>>) => Object.entries(values).sort()
  const made = JSON.stringify([template, sorted(parameters), sorted(tags)])
  const hash = createHash('sha256').update(made).digest('hex')
  const output = { Description: 'By what it was made; the same is not made twice', Value: hash }
  const Outputs = { ...template.Outputs, [TEMPLATE_OUTPUT]: output }
  return { text: JSON.stringify({ ...template, Outputs }), hash }
}

/** Whether it has come up once, so that it has outputs and takes changes. */
export const isUp = (stack: Stack | undefined): stack is Stack =>
  !/^(?:REVIEW_|ROLLBACK_|CREATE_(?:IN_PROGRESS|FAILED))/.test(stack?.StackStatus ?? 'REVIEW_')

/** The stack when nothing happens to it any more; undefined where it has gone by then. */
export async function restingStack(
  options: Pick<EnsureStackOptions, 'service' | 'name' | 'found' | 'wait' | 'observer'>,
): Promise<Stack | undefined> {
  const { service, name, found, wait, observer } = options
  if (found === undefined || isAtRest(found.StackStatus ?? '')) return found
  return waitForOther(service, found, {
    wait,
    onWait: (status, who) => observer?.onWait?.(name, status, who),
    onEvent: event => observer?.onEvent?.(event),
  })
}

/** The stack as one that can be changed, or undefined where one has to be made. */
async function startable(options: EnsureStackOptions): Promise<Stack | undefined> {
  const { service, name, observer } = options
  const stack = await restingStack(options)
  if (stack === undefined) return undefined
  const status = stack.StackStatus ?? ''
  switch (status) {
    case 'REVIEW_IN_PROGRESS':
      // It has change sets and nothing else; they go when one of them is executed.
      return undefined
    case 'CREATE_FAILED':
    case 'ROLLBACK_COMPLETE':
    case 'ROLLBACK_FAILED':
      observer?.onCleanUp?.(name, status)
      await deleteFailed(options, stack)
      return undefined
    case 'UPDATE_ROLLBACK_FAILED':
    case 'DELETE_FAILED':
    case 'UPDATE_FAILED':
      throw stuck(stack, service.region)
    default:
      return stack
  }
}

/** A stack that never came up takes no change: it goes, and with it nothing that was ever used. */
async function deleteFailed(options: EnsureStackOptions, stack: Stack): Promise<void> {
  const { service, name, wait, token } = options
  const id = stack.StackId ?? name
  await unprotectDatabase(service, id)
  const since = await newestEvent(service, id)
  await service.delete(name, token)
  const { status, events } = await followStack(service, id, { since, wait })
  if (status !== 'DELETE_COMPLETE') throw stackFailed(name, service.region, 'delete', events)
}

/** Makes the change set and shows what is in it; false where there is nothing. */
async function planChangeSet(
  options: EnsureStackOptions,
  planned: { text: string; changeSet: string; isNew: boolean },
): Promise<boolean> {
  const { service, name, template, parameters, tags, observer, mayLose = [], wait } = options
  const { text, changeSet, isNew } = planned
  const bucket = outputsOf(options.found).BucketName
  const sent = await sendTemplate(text, service.region, bucket)
  try {
    await service.createChangeSet({
      StackName: name,
      ChangeSetName: changeSet,
      ChangeSetType: isNew ? 'CREATE' : 'UPDATE',
      Capabilities: ['CAPABILITY_NAMED_IAM'],
      ...sent.source,
      Parameters: Object.entries(parameters).map(([ParameterKey, ParameterValue]) => ({
        ParameterKey,
        ParameterValue,
      })),
      Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
      Description: String(template.Description),
    })
  } finally {
    await sent.dispose()
  }
  const made = await awaitChangeSet(service, name, changeSet, wait)
  if (made === undefined) return false
  const plan = planChanges(made.changes)
  observer?.onPlan?.(name, plan)
  try {
    refuseLoss(name, plan, mayLose)
  } catch (error) {
    await service.deleteChangeSet(name, changeSet)
    throw error
  }
  return true
}
