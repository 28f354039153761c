import { randomUUID } from 'node:crypto'
import { ACCOUNT } from '../account.ts'
import { type Change, compare, isWanted, providerOf, type StackResource } from './changes.ts'
import { validationRecord } from './edge-providers.ts'
import type { Behind, Context } from './provider.ts'
import {
  condition,
  dependencies,
  parseTemplate,
  resolve,
  type Scope,
  type Template,
  type TemplateResource,
  waves,
} from './template.ts'

export interface StackEvent {
  id: string
  logicalId: string
  physicalId: string
  type: string
  status: string
  reason?: string
  token?: string
  at: Date
}

export interface ChangeSet {
  id: string
  name: string
  kind: 'CREATE' | 'UPDATE'
  status: string
  reason?: string
  executionStatus: string
  changes: Change[]
  text: string
  parameters: Map<string, string>
  tags: Record<string, string>
}

/** What goes wrong, or waits, at one resource. */
export interface Trouble {
  logicalId: string
  action: 'CREATE' | 'UPDATE' | 'DELETE'
  reason?: string
  /** Times it is met; the last takes it away. */
  times: number
  reached?: () => void
  released?: Promise<void>
}

class Failed extends Error {}

/** A stack as CloudFormation has it: one resource after the other, all of it or back again. */
export class Stack {
  readonly id: string
  readonly name: string
  readonly region: string
  status = 'REVIEW_IN_PROGRESS'
  reason: string | undefined
  text = ''
  template: Template = { Resources: {} }
  parameters = new Map<string, string>()
  tags: Record<string, string> = {}
  outputs: { key: string; value: string; description: string }[] = []
  resources = new Map<string, StackResource>()
  readonly events: StackEvent[] = []
  readonly changeSets = new Map<string, ChangeSet>()
  isProtected = false
  /** Of the change that is under way, by who began it. */
  token: string | undefined
  readonly created = new Date()
  readonly #behind: Behind
  readonly #troubles: Trouble[]

  constructor(name: string, region: string, behind: Behind, troubles: Trouble[]) {
    this.name = name
    this.region = region
    this.#behind = behind
    this.#troubles = troubles
    this.id = `arn:aws:cloudformation:${region}:${ACCOUNT}:stack/${name}/${randomUUID()}`
  }

  get isBusy(): boolean {
    return this.status.endsWith('_IN_PROGRESS') && this.status !== 'REVIEW_IN_PROGRESS'
  }

  turn(status: string, reason?: string): void {
    this.status = status
    this.reason = reason
    this.tell(this.name, this.id, 'AWS::CloudFormation::Stack', status, reason)
  }

  tell(logicalId: string, physicalId: string, type: string, status: string, reason?: string): void {
    this.events.push({
      ...{ id: `${logicalId}-${status}-${randomUUID()}`, logicalId, physicalId, type, status },
      ...(reason === undefined ? {} : { reason }),
      ...(this.token === undefined ? {} : { token: this.token }),
      at: new Date(),
    })
  }

  /** Changes of a template, and of tags, which are those of everything. */
  async compare(text: string, parameters: Map<string, string>): Promise<Change[]> {
    const template = parseTemplate(text)
    return compare(template, this.scope(template, parameters), this.resources)
  }

  /** Makes it so; the promise ends with the stack at rest. */
  async apply(
    kind: 'CREATE' | 'UPDATE',
    wanted: Pick<ChangeSet, 'text' | 'parameters' | 'tags'>,
  ): Promise<void> {
    this.turn(`${kind}_IN_PROGRESS`, 'User Initiated')
    const before = {
      ...{ text: this.text, template: this.template, parameters: this.parameters },
      ...{ tags: this.tags, resources: new Map(this.resources) },
    }
    const template = parseTemplate(wanted.text)
    const changes = await this.compare(wanted.text, wanted.parameters)
    const { text, parameters, tags } = wanted
    Object.assign(this, { text, parameters, tags, template })
    try {
      await this.#make(template, changes)
    } catch (error) {
      if (!(error instanceof Failed)) throw error
      await this.#goBack(kind, before)
      return
    }
    await this.#cleanUp(changes, before.resources)
    this.#readOutputs()
    this.turn(`${kind}_COMPLETE`)
  }

  async delete(retained: readonly string[] = []): Promise<void> {
    this.turn('DELETE_IN_PROGRESS', 'User Initiated')
    const failed = await this.#deleteAll(retained, 'Delete')
    if (failed.length > 0) {
      this.turn(
        'DELETE_FAILED',
        `The following resource(s) failed to delete: [${failed.join(', ')}]. `,
      )
      return
    }
    this.turn('DELETE_COMPLETE')
  }

  /** Goes on where the way back has failed. */
  async continueRollback(): Promise<void> {
    this.turn('UPDATE_ROLLBACK_IN_PROGRESS', 'User Initiated')
    this.turn('UPDATE_ROLLBACK_COMPLETE')
  }

  scope(template: Template, parameters: ReadonlyMap<string, string>): Scope {
    return {
      ...{ stackName: this.name, stackId: this.id, region: this.region, template, parameters },
      made: id => this.resources.get(id)?.made,
    }
  }

  async #make(template: Template, changes: readonly Change[]): Promise<void> {
    const scope = this.scope(template, this.parameters)
    const byId = new Map(changes.map(change => [change.logicalId, change]))
    for (const wave of waves(template, isWanted(scope))) {
      const toDo = wave.filter(id => byId.get(id)?.action !== undefined)
      const verb = (id: string) => (byId.get(id)?.action === 'Add' ? 'CREATE' : 'UPDATE')
      for (const id of toDo) {
        const { type, physicalId = '' } = byId.get(id) as Change
        this.tell(id, physicalId, type, `${verb(id)}_IN_PROGRESS`)
      }
      for (const [at, id] of toDo.entries()) {
        const change = byId.get(id) as Change
        try {
          await this.#makeOne(change, scope)
        } catch (error) {
          const reason = error instanceof Error ? error.message : String(error)
          this.tell(id, change.physicalId ?? '', change.type, `${verb(id)}_FAILED`, reason)
          // Those that were on their way with it, and failed of nothing else.
          for (const other of toDo.slice(at + 1)) {
            const { type, physicalId = '' } = byId.get(other) as Change
            const follower = `Resource ${verb(other) === 'CREATE' ? 'creation' : 'update'} cancelled`
            this.tell(other, physicalId, type, `${verb(other)}_FAILED`, follower)
          }
          throw new Failed(id)
        }
      }
    }
  }

  async #makeOne(change: Change, scope: Scope): Promise<void> {
    const { logicalId, type, action, replacement } = change
    const resource = scope.template.Resources[logicalId]
    const properties = resolve(resource?.Properties ?? {}, scope)
    const verb = action === 'Add' ? 'CREATE' : 'UPDATE'
    const context = this.#context(logicalId)
    if (type === 'AWS::CertificateManager::Certificate' && action === 'Add') {
      const reason = validationRecord(properties.DomainName)
      this.tell(logicalId, '', type, 'CREATE_IN_PROGRESS', reason)
    }
    await this.#meetTrouble(logicalId, verb)
    const provider = providerOf(type)
    const old = this.resources.get(logicalId)
    const isKept = old !== undefined && replacement === 'False'
    if (old !== undefined && !isKept) {
      const reason =
        'Requested update requires the creation of a new physical resource; hence creating one.'
      this.tell(logicalId, old.made.id, type, 'UPDATE_IN_PROGRESS', reason)
    }
    const made = isKept
      ? ((await provider.update?.(old.made, properties, old.properties, context)) ?? old.made)
      : await provider.create(properties, context)
    this.resources.set(logicalId, {
      ...{ type, made, properties },
      deletionPolicy: resource?.DeletionPolicy ?? 'Delete',
      replacePolicy: resource?.UpdateReplacePolicy ?? 'Delete',
    })
    this.tell(logicalId, made.id, type, `${verb}_COMPLETE`)
  }

  /** What was replaced, or is in the template no more. */
  async #cleanUp(changes: readonly Change[], before: Map<string, StackResource>): Promise<void> {
    const gone = changes.filter(
      ({ action, replacement }) =>
        action === 'Remove' || (action === 'Modify' && replacement !== 'False'),
    )
    if (gone.length === 0) return
    this.turn('UPDATE_COMPLETE_CLEANUP_IN_PROGRESS')
    for (const { logicalId, action } of gone.reverse()) {
      const old = before.get(logicalId)
      if (old === undefined) continue
      if (action === 'Remove') this.resources.delete(logicalId)
      const policy = action === 'Remove' ? old.deletionPolicy : old.replacePolicy
      await this.#deleteOne(logicalId, old, policy).catch(error => {
        const reason = error instanceof Error ? error.message : String(error)
        this.tell(logicalId, old.made.id, old.type, 'DELETE_FAILED', reason)
      })
    }
  }

  async #goBack(
    kind: 'CREATE' | 'UPDATE',
    before: Pick<Stack, 'text' | 'template' | 'parameters' | 'tags' | 'resources'>,
  ): Promise<void> {
    const failed = this.events.find(
      ({ status, reason }) => status.endsWith('_FAILED') && !/cancelled/.test(reason ?? ''),
    )
    const reason = `The following resource(s) failed to ${kind.toLowerCase()}: [${failed?.logicalId}]. `
    if (kind === 'CREATE') {
      this.turn('ROLLBACK_IN_PROGRESS', `${reason}Rollback requested by user.`)
      const left = await this.#deleteAll([], 'RetainExceptOnCreate')
      this.turn(left.length > 0 ? 'ROLLBACK_FAILED' : 'ROLLBACK_COMPLETE')
      return
    }
    this.turn('UPDATE_ROLLBACK_IN_PROGRESS', reason)
    for (const [id, resource] of [...this.resources].reverse()) {
      if (before.resources.has(id)) continue
      await this.#deleteOne(id, resource, 'Delete').catch(() => {})
    }
    Object.assign(this, before)
    this.turn('UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS')
    this.turn('UPDATE_ROLLBACK_COMPLETE')
  }

  /** Ids of those that would not go. */
  async #deleteAll(retained: readonly string[], released: string): Promise<string[]> {
    const order = waves(this.template, id => this.resources.has(id))
      .flat()
      .reverse()
    const failed: string[] = []
    for (const id of order) {
      const resource = this.resources.get(id)
      if (resource === undefined) continue
      // What a resource needs that would not go stays with it.
      const isNeeded = failed.some(other => {
        const left = this.template.Resources[other]
        return left !== undefined && this.#needs(left).includes(id)
      })
      if (isNeeded) {
        failed.push(id)
        continue
      }
      const policy = retained.includes(id)
        ? 'Retain'
        : resource.deletionPolicy === released
          ? 'Delete'
          : resource.deletionPolicy
      try {
        await this.#deleteOne(id, resource, policy)
        this.resources.delete(id)
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        this.tell(id, resource.made.id, resource.type, 'DELETE_FAILED', reason)
        failed.push(id)
      }
    }
    return failed
  }

  #needs(resource: TemplateResource): string[] {
    return dependencies(this.template, resource)
  }

  async #deleteOne(id: string, resource: StackResource, policy: string): Promise<void> {
    const { type, made, properties } = resource
    if (policy.startsWith('Retain')) {
      this.tell(id, made.id, type, 'DELETE_SKIPPED')
      return
    }
    this.tell(id, made.id, type, 'DELETE_IN_PROGRESS')
    await this.#meetTrouble(id, 'DELETE')
    const provider = providerOf(type)
    const context = this.#context(id)
    if (policy === 'Snapshot') await provider.snapshot?.(made, context)
    await provider.delete?.(made, context, properties)
    this.tell(id, made.id, type, 'DELETE_COMPLETE')
  }

  async #meetTrouble(logicalId: string, action: Trouble['action']): Promise<void> {
    const trouble = this.#troubles.find(
      each => each.logicalId === logicalId && each.action === action && each.times > 0,
    )
    if (trouble === undefined) return
    trouble.times -= 1
    trouble.reached?.()
    await trouble.released
    if (trouble.reason !== undefined) throw new Error(trouble.reason)
  }

  #readOutputs(): void {
    const scope = this.scope(this.template, this.parameters)
    this.outputs = Object.entries(this.template.Outputs ?? {})
      .filter(([, { Condition }]) => Condition === undefined || condition(Condition, scope))
      .map(([key, { Value, Description = '' }]) => ({
        ...{ key, value: String(resolve(Value, scope)), description: Description },
      }))
  }

  #context(logicalId: string): Context {
    const { region, name: stackName, tags } = this
    return { ...this.#behind, ...{ region, stackName, logicalId, tags } }
  }
}
