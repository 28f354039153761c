import { ACCOUNT } from '../account.ts'
import { Refused } from '../answer.ts'

// biome-ignore lint/suspicious/noExplicitAny: JSON of a template
export type Json = any

export interface Template {
  Description?: string
  Parameters?: Record<string, { Type: string; Default?: unknown; NoEcho?: boolean }>
  Conditions?: Record<string, Json>
  Mappings?: Record<string, Json>
  Resources: Record<string, TemplateResource>
  Outputs?: Record<string, { Description?: string; Value: Json; Condition?: string }>
}

export interface TemplateResource {
  Type: string
  Properties?: Record<string, Json>
  DependsOn?: string | string[]
  Condition?: string
  DeletionPolicy?: string
  UpdateReplacePolicy?: string
}

/** What references lead to. */
export interface Scope {
  stackName: string
  stackId: string
  region: string
  template: Template
  parameters: ReadonlyMap<string, string>
  /** Undefined while it is not made: then the reference stays a word of its own. */
  made(logicalId: string): { id: string; attributes: Readonly<Record<string, Json>> } | undefined
}

export function parseTemplate(text: string): Template {
  let template: Template
  try {
    template = JSON.parse(text)
  } catch {
    throw new Refused('ValidationError', 'Template format error: JSON not well-formed.')
  }
  if (typeof template.Resources !== 'object' || Object.keys(template.Resources).length === 0) {
    throw new Refused(
      'ValidationError',
      'Template format error: At least one Resources member must be defined.',
    )
  }
  for (const [id, resource] of Object.entries(template.Resources)) {
    for (const needed of dependencies(template, resource)) {
      if (template.Resources[needed] === undefined) {
        const message = `Template format error: Unresolved resource dependencies [${needed}] in the Resources block of the template (${id})`
        throw new Refused('ValidationError', message)
      }
    }
  }
  return template
}

/** Resources that are made, in an order in which each stands behind what it needs, wave by wave. */
export function waves(template: Template, isMade: (id: string) => boolean): string[][] {
  const left = new Set(Object.keys(template.Resources).filter(isMade))
  const order: string[][] = []
  while (left.size > 0) {
    const wave = [...left].filter(id =>
      dependencies(template, template.Resources[id] as TemplateResource).every(
        needed => !left.has(needed),
      ),
    )
    if (wave.length === 0) {
      const message = `Circular dependency between resources: [${[...left].join(', ')}]`
      throw new Refused('ValidationError', message)
    }
    order.push(wave)
    for (const id of wave) left.delete(id)
  }
  return order
}

/** Ids of what a resource needs. */
export function dependencies(template: Template, resource: TemplateResource): string[] {
  const found = new Set([resource.DependsOn ?? []].flat())
  const walk = (value: Json): void => {
    if (Array.isArray(value)) {
      for (const item of value) walk(item)
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries<Json>(value)) {
        if (key === 'Ref') found.add(inner)
        else if (key === 'Fn::GetAtt') found.add([inner].flat().join('.').split('.')[0] ?? '')
        else if (key === 'Fn::Sub') {
          const text: string = Array.isArray(inner) ? inner[0] : inner
          const local = Array.isArray(inner) ? Object.keys(inner[1] ?? {}) : []
          for (const [, name = ''] of text.matchAll(/\$\{([\w:.]+)\}/g)) {
            if (!local.includes(name)) found.add(name.split('.')[0] ?? '')
          }
          if (Array.isArray(inner)) walk(inner[1])
        } else walk(inner)
      }
    }
  }
  walk(resource.Properties)
  return [...found].filter(
    name => !name.startsWith('AWS::') && template.Parameters?.[name] === undefined,
  )
}

export function condition(name: string, scope: Scope): boolean {
  const rule = scope.template.Conditions?.[name]
  if (rule === undefined) throw new Refused('ValidationError', `Unresolved condition ${name}`)
  return holds(rule, scope)
}

function holds(rule: Json, scope: Scope): boolean {
  const [key, inner] = Object.entries<Json>(rule)[0] ?? ['', []]
  switch (key) {
    case 'Condition':
      return condition(inner, scope)
    case 'Fn::Equals':
      return String(resolve(inner[0], scope)) === String(resolve(inner[1], scope))
    case 'Fn::Not':
      return !holds(inner[0], scope)
    case 'Fn::And':
      return inner.every((each: Json) => holds(each, scope))
    case 'Fn::Or':
      return inner.some((each: Json) => holds(each, scope))
    default:
      throw new Refused('ValidationError', `no condition function ${key}`)
  }
}

export function resolve(value: Json, scope: Scope): Json {
  if (Array.isArray(value)) {
    return value.map(item => resolve(item, scope)).filter(item => item !== undefined)
  }
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries<Json>(value)
  const [key, inner] = entries[0] ?? ['', undefined]
  if (entries.length === 1 && (key === 'Ref' || key.startsWith('Fn::'))) {
    return call(key, inner, scope)
  }
  const resolved: Record<string, Json> = {}
  for (const [name, part] of entries) {
    const result = resolve(part, scope)
    if (result !== undefined) resolved[name] = result
  }
  return resolved
}

function call(key: string, inner: Json, scope: Scope): Json {
  switch (key) {
    case 'Ref':
      return reference(inner, scope)
    case 'Fn::GetAtt': {
      const [id = '', ...rest] = [inner].flat().join('.').split('.')
      return attribute(id, rest.join('.'), scope)
    }
    case 'Fn::Sub':
      return substitute(inner, scope)
    case 'Fn::Join':
      return resolve(inner[1], scope).join(inner[0])
    case 'Fn::Split':
      return String(resolve(inner[1], scope)).split(inner[0])
    case 'Fn::Select':
      return resolve(inner[1], scope)[Number(resolve(inner[0], scope))]
    case 'Fn::If':
      return resolve(condition(inner[0], scope) ? inner[1] : inner[2], scope)
    case 'Fn::GetAZs':
      return ['a', 'b', 'c'].map(zone => `${resolve(inner, scope) || scope.region}${zone}`)
    case 'Fn::Base64':
      return Buffer.from(String(resolve(inner, scope))).toString('base64')
    case 'Fn::Cidr': {
      // Enough for one network in equal parts of 2^bits addresses.
      const [block, count, bits] = inner.map((each: Json) => resolve(each, scope))
      const [address = ''] = String(block).split('/')
      const start = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
      return Array.from({ length: Number(count) }, (_, at) => {
        const from = start + at * 2 ** Number(bits)
        const parts = [24, 16, 8, 0].map(shift => Math.floor(from / 2 ** shift) % 256)
        return `${parts.join('.')}/${32 - Number(bits)}`
      })
    }
    case 'Fn::FindInMap': {
      const [map, first, second] = inner.map((each: Json) => resolve(each, scope))
      return scope.template.Mappings?.[map]?.[first]?.[second]
    }
    case 'Fn::ToJsonString':
      return JSON.stringify(resolve(inner, scope))
    default:
      throw new Refused('ValidationError', `Template error: no function ${key}`)
  }
}

function reference(name: string, scope: Scope): Json {
  switch (name) {
    case 'AWS::NoValue':
      return undefined
    case 'AWS::AccountId':
      return ACCOUNT
    case 'AWS::Region':
      return scope.region
    case 'AWS::Partition':
      return 'aws'
    case 'AWS::URLSuffix':
      return 'amazonaws.com'
    case 'AWS::StackName':
      return scope.stackName
    case 'AWS::StackId':
      return scope.stackId
  }
  const parameter = scope.template.Parameters?.[name]
  if (parameter !== undefined) {
    const value = scope.parameters.get(name) ?? ''
    return /List/.test(parameter.Type) ? value.split(',') : value
  }
  if (scope.template.Resources[name] === undefined) {
    throw new Refused('ValidationError', `Template error: unresolved reference ${name}`)
  }
  return scope.made(name)?.id ?? `{{${name}}}`
}

function attribute(id: string, name: string, scope: Scope): Json {
  const made = scope.made(id)
  if (made === undefined) return `{{${id}.${name}}}`
  const value = made.attributes[name]
  if (value === undefined) {
    const type = scope.template.Resources[id]?.Type
    // What none of the providers knows: a word that says so, the same each time.
    return `stand-in:${type}:${id}.${name}`
  }
  return value
}

function substitute(inner: Json, scope: Scope): string {
  const [text, values] = Array.isArray(inner) ? inner : [inner, {}]
  return (
    String(text)
      .replaceAll(/\$\{([\w:.]+)\}/g, (_, name: string) => {
        if (Object.hasOwn(values ?? {}, name)) return String(resolve(values[name], scope))
        if (!name.startsWith('AWS::') && name.includes('.')) {
          const [id = '', ...rest] = name.split('.')
          return String(attribute(id, rest.join('.'), scope))
        }
        return String(reference(name, scope))
      })
      // biome-ignore lint/suspicious/noTemplateCurlyInString: `${!x}` stands for `${x}`
      .replaceAll(/\$\{!([^}]*)\}/g, '${$1}')
  )
}
