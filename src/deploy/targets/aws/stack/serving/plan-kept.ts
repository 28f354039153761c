import { isDeepStrictEqual } from 'node:util'
import type { Template } from '../../template/format.ts'
import { refuseLoss } from '../change-plan.ts'
import { type EnsureStackOptions, isMadeBy, isUp } from '../ensure-stack.ts'
import { TEMPLATE_OUTPUT } from '../names.ts'
import { keepServing, removable, removedBy } from './keep-serving.ts'

/** The stack as it is to be until the release is live. */
export interface Kept {
  template: Template
  parameters: Record<string, string>
  /** It is so already: nothing is new, and something goes later. */
  isThere: boolean
}

/**
 * What of a stack is another way until the release is live; undefined where nothing is. Throws
 * `AWS_WOULD_LOSE_DATA` for what must not go then, before anything is changed.
 */
export async function planKept(exact: EnsureStackOptions): Promise<Kept | undefined> {
  const { service, name, found, template, mayLose = [] } = exact
  if (!isUp(found)) {
    const made = removable(template)
    return made === template
      ? undefined
      : { template: made, parameters: { ...exact.parameters }, isThere: false }
  }
  if (isMadeBy(exact)) return undefined
  const before = parseTemplate(await service.template(name))
  if (before === undefined) return undefined
  const kept = keepServing(before, template)
  if (kept === template) return undefined
  const gone = removedBy(before, template).map(([id, type]) => ({
    ...{ sign: '-' as const, id, type, isReplaced: 'no' as const, properties: [] },
  }))
  refuseLoss(name, gone, mayLose)
  const there = new Map(
    (found.Parameters ?? []).map(each => [each.ParameterKey ?? '', each.ParameterValue ?? '']),
  )
  const wanted = Object.keys(kept.Parameters ?? {})
  const parameters = Object.fromEntries(
    wanted.flatMap(key => {
      const value = exact.parameters[key] ?? there.get(key)
      return value === undefined ? [] : [[key, value]]
    }),
  )
  const isSame = Object.entries(parameters).every(([key, value]) => there.get(key) === value)
  return { template: kept, parameters, isThere: isSame && isMadeOf(before, kept) }
}

/** Undefined for one that somebody has made in another form: then nothing is known of it. */
export function parseTemplate(text: string): Template | undefined {
  try {
    const template = JSON.parse(text) as Partial<Template>
    return template.Resources === undefined ? undefined : (template as Template)
  } catch {
    return undefined
  }
}

/** Outputs that are to go do not count. */
function isMadeOf(before: Template, kept: Template): boolean {
  return (
    isDeepStrictEqual(before.Resources, kept.Resources) &&
    isDeepStrictEqual(before.Conditions, kept.Conditions) &&
    Object.entries(kept.Outputs).every(
      ([key, output]) => key === TEMPLATE_OUTPUT || isDeepStrictEqual(before.Outputs[key], output),
    )
  )
}
