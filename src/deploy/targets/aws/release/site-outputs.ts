import type { Project } from '../../../../config/project.ts'
import { explainAwsError } from '../sdk/errors.ts'
import { sdk } from '../sdk/sdk.ts'
import { type SiteOutputs, siteStackName } from '../stack/names.ts'

/** What the project's stack made; undefined where there is none, or none that came up. */
export async function readSiteOutputs({ name, aws }: Project): Promise<SiteOutputs | undefined> {
  const { CloudFormationClient, DescribeStacksCommand } = await sdk.cloudformation()
  const client = new CloudFormationClient({ region: aws.region })
  const StackName = siteStackName(name)
  try {
    const { Stacks = [] } = await client.send(new DescribeStacksCommand({ StackName }))
    const outputs = Stacks[0]?.Outputs ?? []
    const values = Object.fromEntries(
      outputs.map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue]),
    ) as unknown as SiteOutputs
    return values.BucketName === undefined ? undefined : values
  } catch (error) {
    if (/does not exist/.test((error as Error).message)) return undefined
    throw explainAwsError(error, `read stack "${StackName}"`)
  } finally {
    client.destroy()
  }
}
