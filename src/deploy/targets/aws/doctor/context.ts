import type { Stack } from '@aws-sdk/client-cloudformation'
import type { STSClient } from '@aws-sdk/client-sts'
import type { Project } from '../../../../config/project.ts'
import { systemErrorCode } from '../../../../shared/errors.ts'
import type { DnsView } from '../../../doctor/dns/view.ts'
import { isAwsFailure } from '../sdk/errors.ts'
import { sdk } from '../sdk/sdk.ts'
import {
  type DomainOutputs,
  domainStackName,
  GLOBAL_REGION,
  type SiteOutputs,
  siteStackName,
} from '../stack/names.ts'
import { listStanding, type StandingResource } from './standing.ts'
import { type TemplateFacts, templateFacts } from './template-facts.ts'

/** What checks have in common: the project, one set of credentials, and who they belong to. */
export interface AwsContext {
  project: Project
  dns: DnsView
  /** For each client; `region` where it is not the project's. */
  config(region?: string): Promise<ClientConfig>
  identity(signal?: AbortSignal): Promise<Identity>
  /** As it stands now; undefined where there is none. */
  stack(which: 'site' | 'domain'): Promise<Stack | undefined>
  /** Resources of the site's stack as it is; none before it is there. */
  standing(signal: AbortSignal): Promise<StandingResource[]>
  /** Throws where the project makes no template. */
  template(): TemplateFacts
}

export interface ClientConfig {
  region: string
  credentials: STSClient['config']['credentials']
  maxAttempts: number
  requestHandler: { connectionTimeout: number }
}

export interface Identity {
  account: string
  arn: string
  isRoot: boolean
  /** Positive where AWS's clock is ahead of this machine's. */
  clockOffsetMs: number
  /** What is wrong with the project's region: the account was found by another one. */
  regionFault?: 'no such region' | 'not enabled'
}

/** A doctor says that there is no answer rather than wait for one. */
const LIMITS = {
  maxAttempts: 2,
  requestHandler: { connectionTimeout: 2000 },
} as const

/** Credentials are looked for once, however many clients ask: it may take a second, or a request. */
export function openContext(project: Project, dns: DnsView): AwsContext {
  let client: Promise<STSClient> | undefined
  let identity: Promise<Identity> | undefined
  let facts: TemplateFacts | undefined
  let standing: Promise<StandingResource[]> | undefined
  const stacks: Partial<Record<'site' | 'domain', Promise<Stack | undefined>>> = {}
  const { region } = project.aws
  const sts = () => {
    client ??= sdk.sts().then(({ STSClient }) => new STSClient({ region, ...LIMITS }))
    return client
  }
  const config = async (of: string) => {
    const { credentials } = (await sts()).config
    return { region: of, credentials, ...LIMITS }
  }
  const context: AwsContext = {
    project,
    dns,
    config: (of = region) => config(of),
    template() {
      facts ??= templateFacts(project)
      return facts
    },
    stack(which) {
      stacks[which] ??=
        which === 'site'
          ? findStack(siteStackName(project.name), () => config(region))
          : findStack(domainStackName(project.name), () => config(GLOBAL_REGION))
      return stacks[which]
    },
    identity(signal) {
      identity ??= sts().then(opened => identify(opened, config, signal))
      return identity
    },
    standing(signal) {
      standing ??= listStanding(context, signal)
      return standing
    },
  }
  return context
}

/** By the project's region, and by the one that every account has where that fails. */
async function identify(
  client: STSClient,
  config: (region: string) => Promise<ClientConfig>,
  signal: AbortSignal | undefined,
): Promise<Identity> {
  try {
    return await askIdentity(client, signal)
  } catch (error) {
    const isThere = systemErrorCode(error) !== 'ENOTFOUND'
    if (isThere && !isAwsFailure(error, 'AWS_CREDENTIALS_REFUSED')) throw error
    const { STSClient } = await sdk.sts()
    const everywhere = new STSClient(await config(GLOBAL_REGION))
    const identity = await askIdentity(everywhere, signal).catch(() => {
      throw error
    })
    return { ...identity, regionFault: isThere ? 'not enabled' : 'no such region' }
  }
}

async function askIdentity(client: STSClient, signal?: AbortSignal): Promise<Identity> {
  const { GetCallerIdentityCommand } = await sdk.sts()
  const { Account: account = '', Arn: arn = '' } = await client.send(
    new GetCallerIdentityCommand({}),
    signal === undefined ? {} : { abortSignal: signal },
  )
  const { systemClockOffset } = client.config
  return { account, arn, isRoot: /:root$/.test(arn), clockOffsetMs: systemClockOffset }
}

async function findStack(
  name: string,
  config: () => Promise<ClientConfig>,
): Promise<Stack | undefined> {
  const { CloudFormationClient, DescribeStacksCommand } = await sdk.cloudformation()
  const client = new CloudFormationClient(await config())
  try {
    const { Stacks } = await client.send(new DescribeStacksCommand({ StackName: name }))
    return Stacks?.[0]
  } catch (error) {
    // A stack that is not there is a ValidationError among others.
    if (/does not exist/.test((error as Error).message)) return undefined
    throw error
  }
}

/** One of a stack's outputs, as `SiteOutputs` and `DomainOutputs` name them. */
export function output(
  stack: Stack | undefined,
  key: keyof SiteOutputs | keyof DomainOutputs,
): string | undefined {
  return stack?.Outputs?.find(each => each.OutputKey === key)?.OutputValue
}
