import { isDeepStrictEqual } from 'node:util'
import { loadAwsServiceSpec } from '@aws-cdk/aws-service-spec'
import { computeProviders } from './compute-providers.ts'
import { dataProviders } from './data-providers.ts'
import { edgeProviders } from './edge-providers.ts'
import type { Context, Made, Provider } from './provider.ts'
import { madeName } from './provider.ts'
import { condition, type Json, resolve, type Scope, type Template } from './template.ts'

const PROVIDERS: Readonly<Record<string, Provider>> = {
  ...computeProviders,
  ...dataProviders,
  ...edgeProviders,
}

/** Made by nobody: it has a name, and its attributes are words. */
const stub: Provider = {
  create: (_properties: Json, context: Context) =>
    Promise.resolve<Made>({ id: madeName(context), attributes: {} }),
}

export const providerOf = (type: string): Provider => PROVIDERS[type] ?? stub
/** Whether a type is made by moto or the stand-in's services, and is more than a name. */
export const isMade = (type: string): boolean => PROVIDERS[type] !== undefined

/** A resource as it stands. */
export interface StackResource {
  type: string
  made: Made
  properties: Json
  deletionPolicy: string
  replacePolicy: string
}

export interface Change {
  action: 'Add' | 'Modify' | 'Remove'
  logicalId: string
  type: string
  physicalId?: string
  replacement?: 'True' | 'False' | 'Conditional'
  /** Names of properties that differ. */
  properties: string[]
}

/** Resources of a template that its conditions let be. */
export function isWanted(scope: Scope): (id: string) => boolean {
  return id => {
    const name = scope.template.Resources[id]?.Condition
    return name === undefined || condition(name, scope)
  }
}

/** What a template changes in what is there; references to what is not made yet differ. */
export async function compare(
  template: Template,
  scope: Scope,
  there: ReadonlyMap<string, StackResource>,
): Promise<Change[]> {
  const changes: Change[] = []
  const wanted = isWanted(scope)
  const replaced = new Set<string>()
  const ids = Object.keys(template.Resources).filter(wanted)
  for (const id of ids) {
    const { Type: type, Properties = {} } = template.Resources[id] as {
      Type: string
      Properties?: Json
    }
    const old = there.get(id)
    if (old === undefined) {
      changes.push({ action: 'Add', logicalId: id, type, properties: [] })
      continue
    }
    const next = resolve(Properties, {
      ...scope,
      // What is replaced gets another name, which nobody knows yet.
      made: name => (replaced.has(name) ? undefined : scope.made(name)),
    })
    const names = [...new Set([...Object.keys(old.properties), ...Object.keys(next)])]
    const properties = names.filter(name => !isDeepStrictEqual(old.properties[name], next[name]))
    if (properties.length === 0) continue
    const replacement = await replacementOf(type, properties)
    if (replacement === 'True') replaced.add(id)
    const physicalId = old.made.id
    changes.push({ action: 'Modify', logicalId: id, type, physicalId, replacement, properties })
  }
  for (const [id, { type, made }] of there) {
    if (ids.includes(id)) continue
    changes.push({ action: 'Remove', logicalId: id, type, physicalId: made.id, properties: [] })
  }
  return changes
}

let spec: Promise<Awaited<ReturnType<typeof loadAwsServiceSpec>>> | undefined

/** By AWS's own specification of the type. */
async function replacementOf(
  type: string,
  properties: readonly string[],
): Promise<NonNullable<Change['replacement']>> {
  spec ??= loadAwsServiceSpec()
  const [resource] = (await spec).lookup('resource', 'cloudFormationType', 'equals', type)
  const causes = properties.map(name => resource?.properties[name]?.causesReplacement)
  if (causes.includes('yes')) return 'True'
  return causes.includes('maybe') ? 'Conditional' : 'False'
}
