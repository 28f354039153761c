import type { Project } from '../../../../config/project.ts'
import type { Clock } from '../../../../shared/clock.ts'
import { MokaError } from '../../../../shared/errors.ts'
import type { Template } from '../template/format.ts'
import { projectTags } from '../template/tags.ts'
import { domainTemplate, siteTemplate } from '../template/template.ts'
import {
  type EnsuredStack,
  ensureStack,
  isUp,
  outputsOf,
  restingStack,
  type StackObserver,
} from './ensure-stack.ts'
import { realWait, requestToken, type Wait } from './follow-stack.ts'
import { withKeptZone } from './kept-zone.ts'
import { nameServersOf } from './name-servers.ts'
import {
  type DomainOutputs,
  domainStackName,
  GLOBAL_REGION,
  type SiteOutputs,
  siteStackName,
} from './names.ts'
import { siteParameters } from './parameters.ts'
import { planKept } from './serving/plan-kept.ts'
import { StackService } from './stack-service.ts'

/** Told what happens while a project's stacks are made. */
export interface ProvisionObserver extends StackObserver {
  /**
   * A certificate is made, which waits until the registrar names these servers of the zone. Told
   * while it waits.
   */
  onNameServers?(domain: string, nameServers: readonly string[]): void
}

export interface ProvisionOptions {
  clock: Clock
  /** Who does it, for those who wait. */
  who: { user: string; host: string }
  /** Ids of resources with data that may go or be made anew, as `--may-lose` names them. */
  mayLose?: readonly string[]
  /** A release follows: until it is live, nothing goes that the one before it may be asked for. */
  isBeforeRelease?: boolean
  observer?: ProvisionObserver
  /** Default: timers. */
  wait?: Wait
}

export interface Provisioned {
  outputs: SiteOutputs
  domain: DomainOutputs | undefined
  isChanged: boolean
  /** Something is kept that goes when the next release is live. */
  isKeeping: boolean
}

/**
 * Makes a project's stacks be as its configuration says: zone and certificate first, then the site.
 * Where they are so already, one question to each is all that is asked.
 */
export async function provision(project: Project, options: ProvisionOptions): Promise<Provisioned> {
  const zone = project.domain === undefined ? undefined : await provisionDomain(project, options)
  const service = await StackService.open(project.aws.region)
  try {
    const site = await provisionSite(project, options, service, zone?.outputs)
    return {
      outputs: site.outputs as unknown as SiteOutputs,
      domain: zone?.outputs,
      isChanged: site.isChanged || zone?.isChanged === true,
      isKeeping: site.isKeeping,
    }
  } finally {
    service.close()
  }
}

async function provisionSite(
  project: Project,
  options: ProvisionOptions,
  service: StackService,
  domain: DomainOutputs | undefined,
): Promise<EnsuredStack & { isKeeping: boolean }> {
  const name = siteStackName(project.name)
  const about = { service, name, ...common(project, options) }
  const found = await restingStack({ ...about, found: await service.find(name) })
  const template = siteTemplate(project)
  const parameters = await siteParameters(project, template, { before: found, domain })
  const exact = { ...about, template, parameters, found }
  const kept = options.isBeforeRelease === true ? await planKept(exact) : undefined
  if (kept === undefined) return { ...(await ensureStack(exact)), isKeeping: false }
  const done = kept.isThere
    ? { outputs: outputsOf(found), isChanged: false }
    : await ensureStack({ ...exact, ...kept })
  return { ...done, isKeeping: true }
}

async function provisionDomain(
  project: Project,
  options: ProvisionOptions,
): Promise<{ outputs: DomainOutputs; isChanged: boolean }> {
  const service = await StackService.open(GLOBAL_REGION)
  const name = domainStackName(project.name)
  const shown: Promise<string[]>[] = []
  const show = (zone: string) => shown.push(showNameServers(project, zone, options.observer))
  const observer: StackObserver = {
    ...options.observer,
    onEvent(event) {
      options.observer?.onEvent?.(event)
      const { ResourceType, ResourceStatus, PhysicalResourceId = '' } = event
      const isMade = ResourceStatus === 'CREATE_COMPLETE'
      if (ResourceType === 'AWS::Route53::HostedZone' && isMade) show(PhysicalResourceId)
    },
  }
  try {
    const about = { service, name, ...common(project, options), observer }
    const found = await restingStack({ ...about, found: await service.find(name) })
    const planned = await withKeptZone(project, found, service)
    const { hostedZoneId } = planned.aws
    if (hostedZoneId !== undefined && !isUp(found)) show(hostedZoneId)
    const template = domainTemplate(planned) as Template
    const { outputs, isChanged } = await ensureStack({ ...about, template, parameters: {}, found })
    return { outputs: outputs as unknown as DomainOutputs, isChanged }
  } catch (error) {
    throw withNameServers(error, project, (await Promise.all(shown)).flat())
  } finally {
    await Promise.all(shown)
    service.close()
  }
}

/** The certificate may wait for days until the registrar names them: so they are told at once. */
async function showNameServers(
  { domain = '' }: Project,
  zone: string,
  observer: ProvisionObserver | undefined,
): Promise<string[]> {
  // What is told besides must not end the deploy; the stack's outputs have them, too.
  const servers = await nameServersOf(zone).catch(() => [])
  if (servers.length > 0) observer?.onNameServers?.(domain, servers)
  return servers
}

/** A certificate that was not validated for want of them: the error says which to set. */
function withNameServers(error: unknown, { domain }: Project, servers: readonly string[]): unknown {
  const isWaiting =
    error instanceof MokaError &&
    /\(AWS::CertificateManager::Certificate\)/.test(error.message) &&
    !/CAA/.test(error.message)
  if (!isWaiting || servers.length === 0) return error
  return new MokaError(error.code, error.message, {
    hint: `have the registrar of ${domain} name ${servers.join(', ')}; \`moka doctor --to aws\` says when it does; then do it again`,
    cause: error.cause,
  })
}

function common(project: Project, options: ProvisionOptions) {
  const { clock, who, mayLose, observer, wait = realWait } = options
  return {
    tags: projectTags(project),
    token: requestToken(who.user, who.host, clock.now()),
    wait,
    ...(mayLose !== undefined && { mayLose }),
    ...(observer !== undefined && { observer }),
  }
}
