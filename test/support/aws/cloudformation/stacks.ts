import { type Answer, Refused, xml } from '../answer.ts'
import type { Behind } from './provider.ts'
import { type ChangeSet, Stack, type Trouble } from './stack.ts'
import { parseTemplate, type Template } from './template.ts'

export type { Behind }

// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
const MAX_BODY_BYTES = 51_200
const MAX_TEMPLATE_BYTES = 1_048_576
const EVENTS_PER_PAGE = 50
const NO_CHANGES =
  "The submitted information didn't contain changes. Submit different information to create a change set."

/** CloudFormation: moto's leaves a stack as it was after a change set, and knows few of our types. */
export class Stacks {
  readonly #stacks: Stack[] = []
  readonly #troubles: Trouble[] = []
  readonly #behind: Behind
  /** Work that goes on behind the answers. */
  #work: Promise<unknown> = Promise.resolve()

  constructor(behind: Behind) {
    this.#behind = behind
  }

  /** The stack of this name, unless it is deleted. */
  find(name: string, region?: string): Stack | undefined {
    return this.#stacks.findLast(
      stack =>
        (stack.name === name || stack.id === name) &&
        (region === undefined || stack.region === region) &&
        (stack.status !== 'DELETE_COMPLETE' || stack.id === name),
    )
  }

  /** The next time this resource is made, changed or deleted, that fails with AWS's words. */
  fail(logicalId: string, reason: string, action: Trouble['action'] = 'CREATE', times = 1): void {
    this.#troubles.push({ logicalId, reason, action, times })
  }

  /** The next time, it waits: `reached` when it does, and it goes on after `release`. */
  hold(
    logicalId: string,
    action: Trouble['action'] = 'CREATE',
  ): { reached: Promise<void>; release: () => void } {
    let reached = () => {}
    let release = () => {}
    const isReached = new Promise<void>(resolve => {
      reached = resolve
    })
    const released = new Promise<void>(resolve => {
      release = resolve
    })
    this.#troubles.push({ logicalId, action, times: 1, reached, released })
    return { reached: isReached, release }
  }

  /** When nothing is being made any more. */
  async settled(): Promise<void> {
    await this.#work
  }

  async answer(operation: string, region: string, form: URLSearchParams): Promise<Answer> {
    const result = await this.#run(operation, region, form)
    return xml(200, { [`${operation}Response`]: { [`${operation}Result`]: result } })
  }

  async #run(operation: string, region: string, form: URLSearchParams): Promise<object> {
    const name = form.get('StackName') ?? ''
    const the = (): Stack => {
      const stack = this.find(name, region)
      if (stack === undefined) {
        const id = operation === 'DescribeStacks' ? `Stack with id ${name}` : `Stack [${name}]`
        throw new Refused('ValidationError', `${id} does not exist`)
      }
      return stack
    }
    switch (operation) {
      case 'DescribeStacks': {
        const found = name === '' ? this.#stacks.filter(one => one.region === region) : [the()]
        return { Stacks: members(found.map(describeStack)) }
      }
      case 'CreateChangeSet':
        return this.#createChangeSet(name, region, form)
      case 'DescribeChangeSet':
        return describeChangeSet(the(), changeSet(the(), form))
      case 'ListChangeSets': {
        const all = [...the().changeSets.values()].map(set => summarise(the(), set))
        return { Summaries: members(all) }
      }
      case 'DeleteChangeSet': {
        const set = the().changeSets.get(form.get('ChangeSetName') ?? '')
        if (set !== undefined) the().changeSets.delete(set.name)
        return {}
      }
      case 'ExecuteChangeSet': {
        const stack = the()
        const set = changeSet(stack, form)
        if (set.executionStatus !== 'AVAILABLE') {
          const message = `ChangeSet [${set.id}] cannot be executed in its current status of [${set.status}]`
          throw new Refused('InvalidChangeSetStatus', message)
        }
        refuseBusy(stack)
        stack.changeSets.clear()
        stack.token = form.get('ClientRequestToken') ?? undefined
        this.#start(stack.apply(set.kind, set))
        return {}
      }
      case 'DeleteStack': {
        const stack = this.find(name, region)
        if (stack === undefined || stack.status === 'DELETE_COMPLETE') return {}
        if (stack.isProtected) {
          const message = `Stack [${name}] cannot be deleted while TerminationProtection is enabled`
          throw new Refused('ValidationError', message)
        }
        if (stack.status === 'DELETE_IN_PROGRESS') return {}
        stack.token = form.get('ClientRequestToken') ?? undefined
        this.#start(stack.delete(list(form, 'RetainResources')))
        return {}
      }
      case 'ContinueUpdateRollback':
        this.#start(the().continueRollback())
        return {}
      case 'DescribeStackEvents': {
        const start = Number(form.get('NextToken') ?? 0)
        const newest = the().events.toReversed()
        const page = newest.slice(start, start + EVENTS_PER_PAGE)
        const next = start + EVENTS_PER_PAGE
        return {
          StackEvents: members(page.map(event => describeEvent(the(), event))),
          ...(next < newest.length ? { NextToken: String(next) } : {}),
        }
      }
      case 'DescribeStackResources':
      case 'ListStackResources': {
        const key = operation === 'ListStackResources' ? 'StackResourceSummaries' : 'StackResources'
        return { [key]: members(describeResources(the())) }
      }
      case 'GetTemplate':
        return { TemplateBody: the().text, StagesAvailable: members(['Original', 'Processed']) }
      default:
        throw new Refused('InvalidAction', `the stand-in has no ${operation}`)
    }
  }

  async #createChangeSet(name: string, region: string, form: URLSearchParams): Promise<object> {
    const kind = form.get('ChangeSetType') === 'CREATE' ? 'CREATE' : 'UPDATE'
    const text = await this.#templateText(form)
    const template = parseTemplate(text)
    refuseWithoutCapability(template, list(form, 'Capabilities'))
    let stack = this.find(name, region)
    if (kind === 'UPDATE') {
      if (stack === undefined)
        throw new Refused('ValidationError', `Stack [${name}] does not exist`)
      refuseBusy(stack)
      if (!/^(?:CREATE|UPDATE|UPDATE_ROLLBACK|IMPORT)_COMPLETE$/.test(stack.status)) {
        const message = `Stack:${stack.id} is in ${stack.status} state and can not be updated.`
        throw new Refused('ValidationError', message)
      }
    } else if (stack !== undefined && stack.status !== 'REVIEW_IN_PROGRESS') {
      const message = `Stack [${name}] already exists and cannot be created again with the changeSet [${form.get('ChangeSetName')}].`
      throw new Refused('ValidationError', message)
    }
    const parameters = readParameters(form, template, stack?.parameters)
    if (stack === undefined) {
      stack = new Stack(name, region, this.#behind, this.#troubles)
      stack.turn('REVIEW_IN_PROGRESS', 'User Initiated')
      this.#stacks.push(stack)
    }
    const setName = form.get('ChangeSetName') ?? ''
    if (stack.changeSets.has(setName)) {
      throw new Refused('AlreadyExistsException', `ChangeSet [${setName}] already exists`)
    }
    const changes = await stack.compare(text, parameters)
    const isEmpty =
      kind === 'UPDATE' &&
      changes.length === 0 &&
      JSON.stringify(template.Outputs) === JSON.stringify(stack.template.Outputs)
    const set: ChangeSet = {
      ...{ name: setName, kind, changes, text, parameters, tags: readTags(form) },
      id: `${stack.id.replace(':stack/', ':changeSet/')}/${setName}`,
      status: isEmpty ? 'FAILED' : 'CREATE_COMPLETE',
      executionStatus: isEmpty ? 'UNAVAILABLE' : 'AVAILABLE',
      ...(isEmpty ? { reason: NO_CHANGES } : {}),
    }
    stack.changeSets.set(setName, set)
    return { Id: set.id, StackId: stack.id }
  }

  async #templateText(form: URLSearchParams): Promise<string> {
    const body = form.get('TemplateBody')
    const url = form.get('TemplateURL')
    if (body !== null) {
      if (Buffer.byteLength(body) > MAX_BODY_BYTES) {
        const message = `1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to ${MAX_BODY_BYTES}`
        throw new Refused('ValidationError', message)
      }
      return body
    }
    // https://BUCKET.s3.REGION.amazonaws.com/KEY, which moto has at /BUCKET/KEY.
    const { hostname, pathname } = new URL(url ?? '')
    const bucket = hostname.split('.s3.')[0]
    const answer = await fetch(`${this.#behind.moto}/${bucket}${pathname}`, {
      headers: {
        authorization:
          'AWS4-HMAC-SHA256 Credential=AKIASTANDIN/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0',
      },
    })
    if (!answer.ok) throw new Refused('ValidationError', 'S3 error: Access Denied')
    const text = await answer.text()
    if (Buffer.byteLength(text) > MAX_TEMPLATE_BYTES) {
      throw new Refused('ValidationError', 'Template may not exceed 1000000 bytes in size.')
    }
    return text
  }

  #start(work: Promise<void>): void {
    this.#work = Promise.all([this.#work, work])
  }
}

function refuseBusy(stack: Stack): void {
  if (!stack.isBusy) return
  const message = `Stack:${stack.id} is in ${stack.status} state and can not be updated.`
  throw new Refused('ValidationError', message)
}

function refuseWithoutCapability(template: Template, capabilities: readonly string[]): void {
  const isNamed = Object.values(template.Resources).some(
    ({ Type, Properties }) =>
      Type.startsWith('AWS::IAM::') &&
      (Properties?.RoleName ?? Properties?.ManagedPolicyName) !== undefined,
  )
  const hasIam = Object.values(template.Resources).some(({ Type }) => Type.startsWith('AWS::IAM::'))
  const needed = isNamed ? 'CAPABILITY_NAMED_IAM' : 'CAPABILITY_IAM'
  if (!hasIam || capabilities.includes(needed) || capabilities.includes('CAPABILITY_NAMED_IAM'))
    return
  throw new Refused('InsufficientCapabilitiesException', `Requires capabilities : [${needed}]`)
}

function changeSet(stack: Stack, form: URLSearchParams): ChangeSet {
  const wanted = form.get('ChangeSetName') ?? ''
  for (const set of stack.changeSets.values()) {
    if (set.name === wanted || set.id === wanted) return set
  }
  throw new Refused('ChangeSetNotFound', `ChangeSet [${wanted}] does not exist`, 404)
}

/** `Name.member.1`, `Name.member.2`, … */
function list(form: URLSearchParams, name: string): string[] {
  const found: string[] = []
  for (let at = 1; form.has(`${name}.member.${at}`); at += 1) {
    found.push(form.get(`${name}.member.${at}`) ?? '')
  }
  return found
}

function readTags(form: URLSearchParams): Record<string, string> {
  const tags: Record<string, string> = {}
  for (let at = 1; form.has(`Tags.member.${at}.Key`); at += 1) {
    tags[form.get(`Tags.member.${at}.Key`) ?? ''] = form.get(`Tags.member.${at}.Value`) ?? ''
  }
  return tags
}

function readParameters(
  form: URLSearchParams,
  template: Template,
  before: ReadonlyMap<string, string> = new Map(),
): Map<string, string> {
  const parameters = new Map<string, string>()
  for (const [name, { Default }] of Object.entries(template.Parameters ?? {})) {
    if (Default !== undefined) parameters.set(name, String(Default))
  }
  for (let at = 1; form.has(`Parameters.member.${at}.ParameterKey`); at += 1) {
    const field = (key: string) => form.get(`Parameters.member.${at}.${key}`)
    const key = field('ParameterKey') ?? ''
    if (template.Parameters?.[key] === undefined) {
      throw new Refused('ValidationError', `Parameters: [${key}] do not exist in the template`)
    }
    const isKept = field('UsePreviousValue') === 'true'
    const value = isKept ? before.get(key) : field('ParameterValue')
    if (value === undefined || value === null) {
      throw new Refused('ValidationError', `Parameters: [${key}] must have values`)
    }
    parameters.set(key, value)
  }
  const missing = Object.keys(template.Parameters ?? {}).filter(name => !parameters.has(name))
  if (missing.length > 0) {
    throw new Refused('ValidationError', `Parameters: [${missing.join(', ')}] must have values`)
  }
  return parameters
}

const members = (items: readonly unknown[]) => (items.length === 0 ? '' : { member: items })

function describeStack(stack: Stack) {
  const parameters = [...stack.parameters].map(([ParameterKey, value]) => ({
    ParameterKey,
    ParameterValue: stack.template.Parameters?.[ParameterKey]?.NoEcho ? '****' : value,
  }))
  return {
    ...{ StackId: stack.id, StackName: stack.name, StackStatus: stack.status },
    ...(stack.reason === undefined ? {} : { StackStatusReason: stack.reason }),
    ...(stack.template.Description === undefined
      ? {}
      : { Description: stack.template.Description }),
    CreationTime: stack.created.toISOString(),
    EnableTerminationProtection: stack.isProtected,
    Parameters: members(parameters),
    Outputs: members(
      stack.outputs.map(({ key, value, description }) => ({
        ...{ OutputKey: key, OutputValue: value, Description: description },
      })),
    ),
    Tags: members(Object.entries(stack.tags).map(([Key, Value]) => ({ Key, Value }))),
  }
}

const described = new WeakSet<ChangeSet>()

function describeChangeSet(stack: Stack, set: ChangeSet) {
  // It takes a while; who asks once only sees it unfinished.
  const isFirst = !described.has(set)
  described.add(set)
  const changes = isFirst ? [] : set.changes
  return {
    ...summarise(stack, set),
    ...(isFirst ? { Status: 'CREATE_IN_PROGRESS', ExecutionStatus: 'UNAVAILABLE' } : {}),
    Changes: members(
      changes.map(({ action, logicalId, physicalId, type, replacement, properties }) => ({
        Type: 'Resource',
        ResourceChange: {
          ...{ Action: action, LogicalResourceId: logicalId, ResourceType: type },
          ...(physicalId === undefined ? {} : { PhysicalResourceId: physicalId }),
          ...(replacement === undefined ? {} : { Replacement: replacement }),
          Scope: members(properties.length > 0 ? ['Properties'] : []),
          Details: members(
            properties.map(Name => ({
              Target: {
                ...{ Attribute: 'Properties', Name },
                RequiresRecreation: replacement === 'True' ? 'Always' : 'Never',
              },
            })),
          ),
        },
      })),
    ),
  }
}

function summarise(stack: Stack, set: ChangeSet) {
  return {
    ...{ ChangeSetId: set.id, ChangeSetName: set.name, StackId: stack.id, StackName: stack.name },
    ...{ Status: set.status, ExecutionStatus: set.executionStatus },
    ...(set.reason === undefined ? {} : { StatusReason: set.reason }),
  }
}

function describeEvent(stack: Stack, event: Stack['events'][number]) {
  return {
    ...{ EventId: event.id, StackId: stack.id, StackName: stack.name },
    ...{ LogicalResourceId: event.logicalId, PhysicalResourceId: event.physicalId },
    ...{ ResourceType: event.type, ResourceStatus: event.status },
    ...(event.reason === undefined ? {} : { ResourceStatusReason: event.reason }),
    ...(event.token === undefined ? {} : { ClientRequestToken: event.token }),
    Timestamp: event.at.toISOString(),
  }
}

function describeResources(stack: Stack) {
  return [...stack.resources].map(([id, { type, made }]) => ({
    ...{ StackId: stack.id, StackName: stack.name, LogicalResourceId: id },
    ...{ PhysicalResourceId: made.id, ResourceType: type, ResourceStatus: 'CREATE_COMPLETE' },
    ...{
      Timestamp: stack.created.toISOString(),
      LastUpdatedTimestamp: stack.created.toISOString(),
    },
  }))
}
