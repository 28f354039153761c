import { MokaError } from '../../../../shared/errors.ts'
import { mergeFragments, type TemplateFragment, type Value } from './fragment.ts'

/** A template of CloudFormation, as an object whose keys are in the order that people read them. */
export interface Template {
  AWSTemplateFormatVersion: '2010-09-09'
  Description: string
  Metadata: Readonly<Record<string, Value>>
  Parameters?: Readonly<Record<string, object>>
  Conditions?: Readonly<Record<string, Value>>
  Resources: Readonly<Record<string, object>>
  Outputs: Readonly<Record<string, object>>
}

/** What CloudFormation takes of a template that stands in a bucket. */
const MAX_RESOURCES = 500
const MAX_BYTES = 1_000_000
const MAX_OUTPUTS = 200

/**
 * Puts fragments together. Throws `AWS_TEMPLATE_CLASH` where two of them have the same id, and
 * `AWS_TEMPLATE_TOO_LARGE` where CloudFormation would refuse it.
 */
export function assembleTemplate(
  description: string,
  notes: readonly string[],
  fragments: readonly TemplateFragment[],
): Template {
  const { parameters, conditions, resources, outputs } = mergeFragments(fragments)
  const template: Template = {
    AWSTemplateFormatVersion: '2010-09-09',
    Description: description,
    Metadata: { Mokapot: { Notes: notes } },
    ...(Object.keys(parameters).length > 0 && { Parameters: parameters }),
    ...(Object.keys(conditions).length > 0 && { Conditions: conditions }),
    Resources: resources,
    Outputs: outputs,
  }
  const written = formatTemplate(template)
  requireSize('resources', Object.keys(resources).length, MAX_RESOURCES)
  requireSize('outputs', Object.keys(outputs).length, MAX_OUTPUTS)
  requireSize('bytes', Buffer.byteLength(written), MAX_BYTES)
  // As it is read again: what is undefined is not there.
  return JSON.parse(written) as Template
}

/** The same project gives the same text, octet for octet. */
export function formatTemplate(template: Template): string {
  return `${JSON.stringify(template, null, 2)}\n`
}

function requireSize(what: string, count: number, most: number): void {
  if (count <= most) return
  throw new MokaError(
    'AWS_TEMPLATE_TOO_LARGE',
    `cannot make the template: it has ${count} ${what}, and CloudFormation takes ${most}`,
    { hint: 'fewer functions, routes or behaviors; one function can have many routes' },
  )
}
