import { MokaError } from '../../../../shared/errors.ts'

/** A value in a template: JSON, in which CloudFormation's functions are objects of one key. */
export type Value =
  | string
  | number
  | boolean
  | readonly Value[]
  /** What is undefined is left out. */
  | { readonly [key: string]: Value | undefined }

export interface Resource {
  Type: string
  Properties?: Readonly<Record<string, Value | undefined>>
  DependsOn?: readonly string[]
  Condition?: string
  DeletionPolicy?: 'Delete' | 'Retain' | 'RetainExceptOnCreate' | 'Snapshot'
  UpdateReplacePolicy?: 'Delete' | 'Retain' | 'Snapshot'
  /** Read by people who go on by hand; by CloudFormation not at all. */
  Metadata?: Readonly<Record<string, Value>>
}

export interface Parameter {
  Type: string
  Description: string
  Default?: string | number
  AllowedPattern?: string
  AllowedValues?: readonly string[]
  ConstraintDescription?: string
  NoEcho?: boolean
}

export interface Output {
  Description: string
  Value: Value
  Condition?: string
}

/** A part of a template: whatever belongs together, under ids that no other part has. */
export interface TemplateFragment {
  resources: Readonly<Record<string, Resource>>
  parameters?: Readonly<Record<string, Parameter>>
  conditions?: Readonly<Record<string, Value>>
  outputs?: Readonly<Record<string, Output>>
}

/** Who answers the routes of functions, as an origin of the distribution. */
export interface FunctionOrigin {
  /** An item of `DistributionConfig.Origins`; its `Id` is what behaviors name. */
  origin: { readonly Id: string; readonly [property: string]: Value | undefined }
  /** Routes of the project's functions, as `ProjectFunction.routes` has them. */
  routes: readonly string[]
}

/** What stands behind the distribution, besides files: functions, database, roles, budget. */
export interface BackendFragments {
  fragments: readonly TemplateFragment[]
  origins: readonly FunctionOrigin[]
  /** What the project asks for and AWS does otherwise, for people. */
  warnings: readonly string[]
}

const SECTIONS = ['parameters', 'conditions', 'resources', 'outputs'] as const

/** All of them as one. Throws `AWS_TEMPLATE_CLASH` where two have the same id in one section. */
export function mergeFragments(fragments: readonly TemplateFragment[]): Required<TemplateFragment> {
  const merged = { parameters: {}, conditions: {}, resources: {}, outputs: {} } as Record<
    (typeof SECTIONS)[number],
    Record<string, never>
  >
  for (const fragment of fragments) {
    for (const section of SECTIONS) {
      for (const [id, item] of Object.entries(fragment[section] ?? {})) {
        if (Object.hasOwn(merged[section], id)) {
          throw new MokaError(
            'AWS_TEMPLATE_CLASH',
            `cannot make the template: two of its ${section} are named "${id}"`,
            { hint: 'rename one of the functions, origins or keys that it is made of' },
          )
        }
        merged[section][id] = item as never
      }
    }
  }
  return merged
}

/** Value of a parameter, or what a resource is known by. */
export const ref = (id: string): Value => ({ Ref: id })
export const getAtt = (id: string, attribute: string): Value => ({
  'Fn::GetAtt': [id, attribute],
})
/** Text with `${Id}`, `${Id.Attribute}` and `${AWS::Region}` in it. */
export const sub = (text: string, values?: Readonly<Record<string, Value>>): Value => ({
  'Fn::Sub': values === undefined ? text : [text, values],
})
export const join = (separator: string, values: readonly Value[]): Value => ({
  'Fn::Join': [separator, values],
})
export const select = (index: number, list: Value): Value => ({ 'Fn::Select': [index, list] })
/** Either of two values, by a condition of the template. */
export const when = (condition: string, yes: Value, no: Value = NO_VALUE): Value => ({
  'Fn::If': [condition, yes, no],
})
/** In place of a property: as if it were not there. */
export const NO_VALUE: Value = { Ref: 'AWS::NoValue' }

/** `visits-by-day` → `VisitsByDay`: ids of a template have letters and digits alone. */
export function logicalId(...words: readonly string[]): string {
  return words
    .flatMap(word => word.split(/[^A-Za-z0-9]+/))
    .map(word => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`)
    .join('')
}

/** Tags as most resources take them. */
export const tagList = (tags: Readonly<Record<string, string>>): Value =>
  Object.entries(tags).map(([Key, value]) => ({ Key, Value: value }))
