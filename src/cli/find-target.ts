import { loadProject } from '../config/load.ts'
import type { Project } from '../config/project.ts'
import type { CloudApi } from '../control/cloud-api.ts'
import type { DeployTarget } from '../deploy/deploy.ts'
import type { AwsTarget } from '../deploy/targets/aws/release/open-aws.ts'
import { systemClock } from '../shared/clock.ts'
import { type CloudOptions, findCloud } from './find-cloud.ts'
import { projectAddress } from './project-address.ts'
import { formatCount, type Reporter } from './reporter.ts'

/** Options of the commands that speak to a target. */
export interface TargetOptions extends CloudOptions {
  to?: 'home' | 'aws'
  json?: boolean
}

/** Where a project is deployed to: a running cloud, or AWS. */
export interface FoundTarget {
  kind: 'home' | 'aws'
  api: DeployTarget & Pick<CloudApi, 'releases' | 'rollback' | 'previews'>
  /** Where visitors find it: for people, and as programs ask for it. */
  addressOf(project: string): Promise<{ address: string; site: string }>
  /** Who has confirmed a release, as in `confirmed by …`. */
  describeConfirmed(by: readonly string[]): string
  close(): Promise<void>
}

/** How much of AWS is made ready: for a deploy, everything; to look, nothing. */
export interface TargetUse {
  reporter: Reporter
  /** Default: what is read and switched has to be there already. */
  isDeploy?: boolean
  /** Resources with data that a deploy may take away or make anew. */
  mayLose?: readonly string[]
  isDryRun?: boolean
  /** What is live stays as it is. */
  isPreview?: boolean
}

/** The cloud that is found, or with `--to aws` where the project in this folder stands on AWS. */
export async function findTarget(options: TargetOptions, use: TargetUse): Promise<FoundTarget> {
  if (options.to === 'aws') return awsTarget(options, use)
  const cloud = await findCloud(options)
  return {
    kind: 'home',
    api: cloud.api,
    async addressOf(project) {
      const status = await cloud.api.status()
      return { address: projectAddress(status, project), site: status.addresses.site }
    },
    describeConfirmed: by => formatCount(by.length, 'edge worker'),
    close: async () => cloud.close(),
  }
}

async function awsTarget(options: TargetOptions, use: TargetUse): Promise<FoundTarget> {
  const { target } = await openAws(options, use)
  return {
    kind: 'aws',
    api: target,
    async addressOf() {
      const address = (await target.address()) ?? 'CloudFront'
      return { address, site: address }
    },
    describeConfirmed: by => by.join(', '),
    close: () => target.close(),
  }
}

/** The project in this folder, and where it stands on AWS. */
export async function openAws(
  options: TargetOptions,
  { reporter, isDeploy = false, isDryRun = false, isPreview = false, mayLose }: TargetUse,
): Promise<{ project: Project; target: AwsTarget }> {
  const project = await projectOf(options)
  const { openAwsTarget } = await import('../deploy/targets/aws/release/open-aws.ts')
  const target = openAwsTarget(project, {
    ...{ clock: systemClock, isDeploy, isDryRun, isPreview },
    ...(mayLose !== undefined && { mayLose }),
    onProgress: text => reporter.progress(`${text} …`),
    onNote: text => reporter.note(text),
  })
  return { project, target }
}

/** The project in this folder, under the name that was asked for. */
export async function projectOf({ project }: CloudOptions): Promise<Project> {
  const found = await loadProject(process.cwd())
  return project === undefined ? found : { ...found, name: project }
}
