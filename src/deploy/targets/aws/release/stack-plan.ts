import { isDeepStrictEqual } from 'node:util'
import type { Project } from '../../../../config/project.ts'
import { explainAwsError } from '../sdk/errors.ts'
import { sdk } from '../sdk/sdk.ts'
import { domainStackName, GLOBAL_REGION, siteStackName } from '../stack/names.ts'
import { keepServing } from '../stack/serving/keep-serving.ts'
import { parseTemplate } from '../stack/serving/plan-kept.ts'
import type { Template } from '../template/format.ts'
import { domainTemplate, siteTemplate } from '../template/template.ts'

/** A resource that a deploy would make, change or remove. */
export interface ResourceDifference {
  sign: '+' | '~' | '-'
  stack: string
  id: string
  type: string
  /** Not before the release is live that no longer needs it. */
  isLater: boolean
}

/**
 * What differs between the project's templates and those its stacks were made by: what a deploy
 * changes before its release, and after it. A change set would tell more, and is something that is
 * made.
 */
export async function planStacks(project: Project): Promise<ResourceDifference[]> {
  const [domain, site] = [domainTemplate(project), siteTemplate(project)]
  const [zone, siteNow] = [domainStackName(project.name), siteStackName(project.name)]
  const [zoneBefore, siteBefore] = await Promise.all([
    domain === undefined ? undefined : currentTemplate(zone, GLOBAL_REGION),
    currentTemplate(siteNow, project.aws.region),
  ])
  const kept = siteBefore === undefined ? site : keepServing(siteBefore, site)
  return [
    ...(domain === undefined ? [] : differences(zone, zoneBefore, domain, false)),
    ...differences(siteNow, siteBefore, kept, false),
    ...differences(siteNow, kept, site, true),
  ]
}

function differences(
  stack: string,
  before: Template | undefined,
  next: Template,
  isLater: boolean,
): ResourceDifference[] {
  const [were, are] = [before?.Resources ?? {}, next.Resources]
  const ids = [...new Set([...Object.keys(are), ...Object.keys(were)])]
  return ids.flatMap((id): ResourceDifference[] => {
    const [was, is] = [were[id], are[id]]
    if (isDeepStrictEqual(was, is)) return []
    const sign = was === undefined ? '+' : is === undefined ? '-' : '~'
    const { Type: type } = (is ?? was) as { Type: string }
    return [{ sign, stack, id, type, isLater }]
  })
}

async function currentTemplate(StackName: string, region: string): Promise<Template | undefined> {
  const { CloudFormationClient, GetTemplateCommand } = await sdk.cloudformation()
  const client = new CloudFormationClient({ region })
  try {
    const { TemplateBody = '' } = await client.send(new GetTemplateCommand({ StackName }))
    return parseTemplate(TemplateBody)
  } catch (error) {
    if (/does not exist/.test((error as Error).message)) return undefined
    throw explainAwsError(error, `read the template of stack "${StackName}"`)
  } finally {
    client.destroy()
  }
}
