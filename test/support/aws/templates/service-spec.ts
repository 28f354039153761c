import { loadAwsServiceSpec } from '@aws-cdk/aws-service-spec'

// What AWS itself publishes of its resource types, by the package that its CDK is made from.

type Database = Awaited<ReturnType<typeof loadAwsServiceSpec>>
type Resource = NonNullable<ReturnType<ServiceSpec['resource']>>
type Properties = Resource['properties']
type PropertyType = Properties[string]['type']

/** What is wrong with one place of a template, such as `Bucket.Properties.Tags.0.Key: …`. */
export type Problem = string

interface TemplateLike {
  Resources: Readonly<Record<string, object>>
  Outputs?: Readonly<Record<string, object>>
}

const PSEUDO_PARAMETERS: ReadonlySet<string> = new Set(
  ['AccountId', 'NoValue', 'NotificationARNs', 'Partition', 'Region', 'StackId', 'StackName']
    .concat('URLSuffix')
    .map(name => `AWS::${name}`),
)

/** Checks templates: names, required ones and types of properties, and attributes that are asked for. */
export class ServiceSpec {
  readonly #database: Database

  private constructor(database: Database) {
    this.#database = database
  }

  static async load(): Promise<ServiceSpec> {
    return new ServiceSpec(await loadAwsServiceSpec())
  }

  check(template: TemplateLike): Problem[] {
    const resources = template.Resources as Record<string, { Type: string; Properties?: unknown }>
    const problems = Object.entries(resources).flatMap(([id, { Type, Properties = {} }]) => {
      const resource = this.resource(Type)
      if (resource === undefined) return [`${id}: there is no resource type "${Type}"`]
      return this.#checkObject(Properties, resource.properties, `${id}.Properties`)
    })
    return [...problems, ...this.#checkAttributes(template, resources)]
  }

  resource(type: string) {
    return this.#database.lookup('resource', 'cloudFormationType', 'equals', type)[0]
  }

  #checkObject(value: unknown, properties: Properties, at: string): Problem[] {
    if (intrinsicOf(value) !== undefined) return this.#checkBranches(value, at, properties)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return [`${at}: is no object`]
    }
    const missing = Object.entries(properties)
      .filter(([name, { required }]) => required === true && !Object.hasOwn(value, name))
      .map(([name]) => `${at}: has no "${name}", which is required`)
    return [
      ...missing,
      ...Object.entries(value).flatMap(([name, item]) => {
        const property = Object.hasOwn(properties, name) ? properties[name] : undefined
        return property === undefined
          ? [`${at}: there is no property "${name}"`]
          : this.#checkValue(item, property.type, `${at}.${name}`)
      }),
    ]
  }

  #checkBranches(value: unknown, at: string, properties: Properties): Problem[] {
    return branchesOf(value).flatMap(branch => this.#checkObject(branch, properties, at))
  }

  #checkValue(value: unknown, type: PropertyType, at: string): Problem[] {
    if (intrinsicOf(value) !== undefined) {
      return branchesOf(value).flatMap(branch => this.#checkValue(branch, type, at))
    }
    switch (type.type) {
      case 'string':
      case 'date-time':
        return expect(value, 'string', at).concat(allowed(value, type, at))
      case 'integer':
        return Number.isInteger(value) ? allowed(value, type, at) : [`${at}: is no whole number`]
      case 'number':
        return expect(value, 'number', at)
      case 'boolean':
        return expect(value, 'boolean', at)
      case 'array':
        if (!Array.isArray(value)) return [`${at}: is no list`]
        return value.flatMap((item, index) =>
          this.#checkValue(item, type.element, `${at}.${index}`),
        )
      case 'map':
        if (typeof value !== 'object' || value === null) return [`${at}: is no object`]
        return Object.entries(value).flatMap(([key, item]) =>
          this.#checkValue(item, type.element, `${at}.${key}`),
        )
      case 'ref':
        return this.#checkObject(
          value,
          this.#database.get('typeDefinition', type.reference.$ref).properties,
          at,
        )
      case 'union': {
        const tries = type.types.map(other => this.#checkValue(value, other, at))
        return tries.find(problems => problems.length === 0) ?? tries[0] ?? []
      }
      case 'tag':
        return checkTag(value, at)
      default:
        return [] // any JSON
    }
  }

  #checkAttributes(template: TemplateLike, resources: Record<string, { Type: string }>): Problem[] {
    return referencesIn(template).flatMap(({ id, attribute, at }) => {
      const type = resources[id]?.Type
      if (attribute === undefined || type === undefined) return []
      const attributes = this.resource(type)?.attributes ?? {}
      return Object.hasOwn(attributes, attribute)
        ? []
        : [`${at}: ${type} has no attribute "${attribute}"`]
    })
  }
}

/** References that lead nowhere, conditions that there are none of, and circles of resources. */
export function checkReferences(
  template: TemplateLike & { [section: string]: unknown },
): Problem[] {
  const sections = template as {
    Resources: Record<string, { DependsOn?: string[]; Condition?: string }>
    Outputs?: Record<string, { Condition?: string }>
    Parameters?: object
    Conditions?: object
  }
  const { Resources, Outputs = {}, Parameters = {}, Conditions = {} } = sections
  const isKnown = (id: string) =>
    Object.hasOwn(Resources, id) || Object.hasOwn(Parameters, id) || PSEUDO_PARAMETERS.has(id)
  const lost = referencesIn(template)
    .filter(({ id }) => !isKnown(id))
    .map(({ id, at }) => `${at}: there is no "${id}"`)
  const depending = Object.entries(Resources).flatMap(([name, { DependsOn = [] }]) =>
    DependsOn.filter(id => !Object.hasOwn(Resources, id)).map(
      id => `${name}.DependsOn: there is no "${id}"`,
    ),
  )
  const conditions = [...Object.entries(Resources), ...Object.entries(Outputs)].flatMap(
    ([name, { Condition }]) =>
      Condition === undefined || Object.hasOwn(Conditions, Condition)
        ? []
        : [`${name}.Condition: there is no "${Condition}"`],
  )
  return [...lost, ...depending, ...conditions, ...circlesIn(Resources)]
}

interface Reference {
  id: string
  attribute?: string
  at: string
}

/** Every Ref, GetAtt and place of a Sub, but for the values that a Sub brings itself. */
function referencesIn(value: unknown, at = '', own: ReadonlySet<string> = new Set()): Reference[] {
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => referencesIn(item, `${at}.${index}`, own))
  }
  if (typeof value !== 'object' || value === null) return []
  const [key, inner] = intrinsicOf(value) ?? []
  if (key === 'Ref') return [{ id: String(inner), at }]
  if (key === 'Fn::GetAtt') {
    const [id, ...rest] = [inner].flat().join('.').split('.')
    return [{ id: id!, attribute: rest.join('.'), at }]
  }
  if (key === 'Fn::Sub') {
    const [text, values = {}] = [inner].flat() as [string, object?]
    const found = [...text.matchAll(/\$\{([^!}][^}]*)\}/g)].map(match => match[1]!)
    return [
      ...found
        .filter(name => !Object.hasOwn(values, name))
        .map(name => {
          const [id, ...rest] = name.split('.')
          return { id: id!, at, ...(rest.length > 0 && { attribute: rest.join('.') }) }
        }),
      ...referencesIn(values, at, own),
    ]
  }
  return Object.entries(value).flatMap(([name, item]) =>
    referencesIn(item, at === '' ? name : `${at}.${name}`, own),
  )
}

function circlesIn(resources: Readonly<Record<string, { DependsOn?: string[] }>>): Problem[] {
  const needs = new Map(
    Object.entries(resources).map(([id, resource]) => [
      id,
      [...(resource.DependsOn ?? []), ...referencesIn(resource).map(reference => reference.id)],
    ]),
  )
  const done = new Set<string>()
  const visit = (id: string, path: readonly string[]): Problem[] => {
    if (path.includes(id)) return [`circle: ${[...path.slice(path.indexOf(id)), id].join(' → ')}`]
    if (done.has(id)) return []
    const found = (needs.get(id) ?? []).flatMap(next => visit(next, [...path, id]))
    done.add(id)
    return found
  }
  return Object.keys(resources).flatMap(id => visit(id, []))
}

function intrinsicOf(value: unknown): [string, unknown] | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const entries = Object.entries(value)
  const [key] = entries[0] ?? []
  const isOne = entries.length === 1 && key !== undefined && /^(?:Ref$|Fn::)/.test(key)
  return isOne ? entries[0] : undefined
}

/** What a function of the template may come to, as far as that stands there. */
function branchesOf(value: unknown): unknown[] {
  const [key, inner] = intrinsicOf(value) ?? []
  return key === 'Fn::If' ? (inner as unknown[]).slice(1) : []
}

function expect(value: unknown, type: string, at: string): Problem[] {
  return typeof value === type ? [] : [`${at}: is no ${type}, but ${JSON.stringify(value)}`]
}

function allowed(value: unknown, type: PropertyType, at: string): Problem[] {
  const values = (type as { allowedValues?: readonly unknown[] }).allowedValues
  return values === undefined || values.includes(value)
    ? []
    : [`${at}: ${JSON.stringify(value)} is none of ${values.join(', ')}`]
}

function checkTag(value: unknown, at: string): Problem[] {
  const { Key, Value, ...others } = value as Record<string, unknown>
  const more = Object.keys(others)
  return [
    ...expect(Key, 'string', `${at}.Key`),
    ...(intrinsicOf(Value) === undefined ? expect(Value, 'string', `${at}.Value`) : []),
    ...(more.length > 0 ? [`${at}: a tag has no "${more[0]}"`] : []),
  ]
}
