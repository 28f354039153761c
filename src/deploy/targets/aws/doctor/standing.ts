import { sdk } from '../sdk/sdk.ts'
import { siteStackName } from '../stack/names.ts'
import type { AwsContext } from './context.ts'

/** A page has 100 resources, and a stack 500 at most. */
const MAX_PAGES = 5

/** A resource of a stack, as its template calls it. */
export interface StandingResource {
  id: string
  type: string
}

/** Resources of the site's stack as it is; none before it is there. */
export async function listStanding(
  aws: AwsContext,
  signal: AbortSignal,
): Promise<StandingResource[]> {
  if ((await aws.stack('site')) === undefined) return []
  const { CloudFormationClient, ListStackResourcesCommand } = await sdk.cloudformation()
  const client = new CloudFormationClient(await aws.config())
  const all: StandingResource[] = []
  let NextToken: string | undefined
  for (let page = 0; page < MAX_PAGES; page++) {
    const StackName = siteStackName(aws.project.name)
    const answer = await client.send(
      new ListStackResourcesCommand({
        StackName,
        ...(NextToken === undefined ? {} : { NextToken }),
      }),
      { abortSignal: signal },
    )
    for (const {
      LogicalResourceId: id = '',
      ResourceType: type = '',
    } of answer.StackResourceSummaries ?? []) {
      all.push({ id, type })
    }
    NextToken = answer.NextToken
    if (NextToken === undefined) break
  }
  return all
}
