import type { Project } from '../../../../config/project.ts'
import { outputsOf } from '../stack/ensure-stack.ts'
import { type SiteOutputs, siteStackName } from '../stack/names.ts'
import { StackService } from '../stack/stack-service.ts'

/** What the project's stack made; undefined where there is none, or none that came up. */
export async function readSiteOutputs({ name, aws }: Project): Promise<SiteOutputs | undefined> {
  const service = await StackService.open(aws.region)
  try {
    const outputs = outputsOf(await service.find(siteStackName(name)))
    return outputs.BucketName === undefined ? undefined : (outputs as unknown as SiteOutputs)
  } finally {
    service.close()
  }
}
