import { isDeepStrictEqual } from 'node:util'
import type { Project } from '../../../../config/project.ts'
import { explainAwsError } from '../sdk/errors.ts'
import { sdk } from '../sdk/sdk.ts'
import { domainStackName, GLOBAL_REGION, siteStackName } from '../stack/names.ts'
import { domainTemplate, siteTemplate } from '../template/template.ts'

/** A resource that a deploy would make, change or remove. */
export interface ResourceDifference {
  sign: '+' | '~' | '-'
  stack: string
  id: string
  type: string
}

type Resources = Record<string, { Type: string }>

/**
 * What differs between the project's templates and those its stacks were made by. A change set would
 * tell more, and is something that is made.
 */
export async function planStacks(project: Project): Promise<ResourceDifference[]> {
  const stacks = [
    {
      stack: domainStackName(project.name),
      region: GLOBAL_REGION,
      template: domainTemplate(project),
    },
    {
      stack: siteStackName(project.name),
      region: project.aws.region,
      template: siteTemplate(project),
    },
  ]
  const plans = await Promise.all(
    stacks.map(async ({ stack, region, template }) => {
      if (template === undefined) return []
      const next = JSON.parse(JSON.stringify(template.Resources)) as Resources
      return differences(stack, await currentResources(stack, region), next)
    }),
  )
  return plans.flat()
}

function differences(stack: string, before: Resources, next: Resources): ResourceDifference[] {
  const ids = [...new Set([...Object.keys(next), ...Object.keys(before)])]
  return ids.flatMap((id): ResourceDifference[] => {
    const [was, is] = [before[id], next[id]]
    if (isDeepStrictEqual(was, is)) return []
    const sign = was === undefined ? '+' : is === undefined ? '-' : '~'
    return [{ sign, stack, id, type: (is ?? was)!.Type }]
  })
}

async function currentResources(StackName: string, region: string): Promise<Resources> {
  const { CloudFormationClient, GetTemplateCommand } = await sdk.cloudformation()
  const client = new CloudFormationClient({ region })
  try {
    const { TemplateBody = '{}' } = await client.send(new GetTemplateCommand({ StackName }))
    return (JSON.parse(TemplateBody) as { Resources?: Resources }).Resources ?? {}
  } catch (error) {
    if (/does not exist/.test((error as Error).message)) return {}
    throw explainAwsError(error, `read the template of stack "${StackName}"`)
  } finally {
    client.destroy()
  }
}
