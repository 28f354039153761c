import type { CloudFrontClient, DistributionSummary } from '@aws-sdk/client-cloudfront'
import { look, plainName } from '../../../../../doctor/dns/view.ts'
import type { Check, Found } from '../../../../../doctor/finding.ts'
import { sdk } from '../../../sdk/sdk.ts'
import { GLOBAL_REGION } from '../../../stack/names.ts'
import { type AwsContext, output } from '../../context.ts'

/** 100 in each; an account may have 500 distributions unless it asked for more. */
const MAX_PAGES = 10

/** A name belongs to one distribution of the world: CloudFront refuses it to a second one. */
export function aliasCheck(aws: AwsContext, names: readonly string[]): Check {
  return {
    name: 'alias',
    async run(signal) {
      const { CloudFrontClient } = await sdk.cloudfront()
      const client = new CloudFrontClient(await aws.config(GLOBAL_REGION))
      const site = await aws.stack('site')
      const own = output(site, 'DistributionId')
      const [distributions, elsewhere] = await Promise.all([
        listDistributions(client, signal),
        own === undefined
          ? lookForForeign(aws, names, signal)
          : listConflicts(client, own, names, signal),
      ])
      const taken = distributions
        .filter(({ Id }) => Id !== own)
        .flatMap(distribution => describeTaken(distribution, names))
      if (taken.length > 0) return taken
      const hosts = distributions.map(({ DomainName = '' }) => plainName(DomainName))
      const foreign = elsewhere.filter(({ host }) => host === undefined || !hosts.includes(host))
      if (foreign.length > 0) return foreign.map(describeForeign)
      return { level: 'ok', what: `no other distribution is known to have ${names.join(' or ')}` }
    },
  }
}

async function listDistributions(
  client: CloudFrontClient,
  signal: AbortSignal,
): Promise<DistributionSummary[]> {
  const { ListDistributionsCommand } = await sdk.cloudfront()
  const all: DistributionSummary[] = []
  let Marker: string | undefined
  for (let page = 0; page < MAX_PAGES; page++) {
    const { DistributionList: list } = await client.send(
      new ListDistributionsCommand(Marker === undefined ? {} : { Marker }),
      { abortSignal: signal },
    )
    all.push(...(list?.Items ?? []))
    Marker = list?.NextMarker
    if (Marker === undefined || Marker === '') break
  }
  return all
}

function describeTaken(
  { Id, DomainName, Aliases }: DistributionSummary,
  names: readonly string[],
): Found[] {
  const aliases = Aliases?.Items ?? []
  const taken = names.filter(name => aliases.some(alias => plainName(alias) === name))
  // A wildcard of the same account may stand beside a name (CloudFront's rules for overlap).
  if (taken.length === 0) return []
  return [
    {
      level: 'problem',
      what: `distribution ${Id} (${DomainName}) of this account has ${taken.join(' and ')}`,
      why: 'CloudFront refuses the name to a second distribution (CNAMEAlreadyExists), and the stack rolls back',
      fix: `take the alternate domain name off it: https://console.aws.amazon.com/cloudfront/v4/home#/distributions/${Id}`,
    },
  ]
}

/** A wildcard is asked for nowhere in DNS. */
const isPlain = (name: string) => !name.startsWith('*')

interface Foreign {
  name: string
  /** Of the distribution that answers it; undefined where it hides. */
  host?: string
  /** As AWS tells it, with part of it hidden. */
  distribution?: string
}

/** Who answers the name today, before there is a distribution that AWS would compare with. */
async function lookForForeign(
  aws: AwsContext,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Foreign[]> {
  const found = await Promise.all(
    names.filter(isPlain).map(async (name): Promise<Foreign[]> => {
      const looked = await look(aws.dns, name, 'CNAME', signal).catch(() => undefined)
      const target = looked?.kind === 'records' ? looked.data[0] : undefined
      const host = target !== undefined && 'target' in target ? plainName(target.target) : ''
      return host.endsWith('.cloudfront.net') ? [{ name, host }] : []
    }),
  )
  return found.flat()
}

async function listConflicts(
  client: CloudFrontClient,
  own: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Foreign[]> {
  const { ListConflictingAliasesCommand } = await sdk.cloudfront()
  const found = await Promise.all(
    names.map(async (name): Promise<Foreign[]> => {
      const { ConflictingAliasesList: list } = await client.send(
        new ListConflictingAliasesCommand({ DistributionId: own, Alias: name }),
        { abortSignal: signal },
      )
      return (list?.Items ?? [])
        .filter(({ DistributionId }) => DistributionId !== own)
        .map(({ DistributionId = '', AccountId = '', Alias = name }) => ({
          name: Alias,
          distribution: `${DistributionId} of account ${AccountId}`,
        }))
    }),
  )
  return found.flat()
}

function describeForeign({ name, host, distribution }: Foreign): Found {
  const who = distribution ?? `${host}, which is none of this account`
  return {
    level: 'problem',
    what: `${name} belongs to CloudFront distribution ${who}`,
    why: 'CloudFront refuses the name to another one (CNAMEAlreadyExists) while that has it',
    fix: 'take the alternate domain name off it, or move it: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/alternate-domain-names-move.html',
  }
}
