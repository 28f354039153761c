import { type Check, type Found, listNames } from '../../../../doctor/finding.ts'
import { listNatGateways, listVpcs } from '../../sdk/ec2.ts'
import { sdk } from '../../sdk/sdk.ts'
import type { AwsContext } from '../context.ts'

const NAT_GATEWAY = 'AWS::EC2::NatGateway'
const VPC = 'AWS::EC2::VPC'
/** "VPCs per Region". */
const VPC_QUOTA = 'L-F678F1CE'
const DEFAULT_VPCS = 5

/** About 35 USD a month for nothing that the project needs: functions ask the database inside. */
export function natCheck(aws: AwsContext): Check {
  return {
    name: 'NAT gateway',
    async run(signal) {
      const { region } = aws.project.aws
      const planned = aws.template().resources.filter(isNat)
      const [standing, all] = await Promise.all([
        aws.standing(signal).catch(() => undefined),
        aws
          .config()
          .then(config => listNatGateways(config, region, signal))
          .catch(() => undefined),
      ])
      const there = standing?.filter(isNat) ?? []
      if (planned.length > 0 || there.length > 0) return describeNat([...planned, ...there])
      const where = standing === undefined ? 'in the template' : 'in the template or the stack'
      return { level: 'ok', what: `none ${where}; ${describeOthers(all, region)}` }
    },
  }
}

const isNat = ({ type }: { type: string }) => type === NAT_GATEWAY

function describeNat(found: readonly { id: string }[]): Found {
  return {
    level: 'problem',
    what: `the stack has ${found.map(({ id }) => id).join(', ')}`,
    why: 'a NAT gateway costs about 35 USD a month and a fee for each gigabyte, and nothing here needs it',
    fix: 'take it out of the stack, and its route with it',
  }
}

/** They are somebody's, and may be needed: told, not judged. */
export function describeOthers(all: readonly string[] | undefined, region: string): string {
  if (all === undefined) return `whether ${region} has others EC2 does not tell`
  if (all.length === 0) return `none in ${region} besides`
  return `${region} has ${listNames(all)} of somebody else, about 35 USD a month each`
}

/** A region takes five networks unless somebody asked for more, and the first one is AWS's own. */
export function networkQuotaCheck(aws: AwsContext): Check {
  return {
    name: 'networks',
    async run(signal) {
      const { region } = aws.project.aws
      const standing = await aws.standing(signal).catch(() => [])
      if (standing.some(({ type }) => type === VPC)) {
        return { level: 'ok', what: 'the stack has its own' }
      }
      const config = await aws.config()
      const [there, most] = await Promise.all([
        listVpcs(config, region, signal),
        askVpcQuota(aws, signal).catch(() => DEFAULT_VPCS),
      ])
      return describeNetworks(there, most, region)
    },
  }
}

async function askVpcQuota(aws: AwsContext, signal: AbortSignal): Promise<number> {
  const { ServiceQuotasClient, GetServiceQuotaCommand } = await sdk.quotas()
  const client = new ServiceQuotasClient(await aws.config())
  const asked = new GetServiceQuotaCommand({ ServiceCode: 'vpc', QuotaCode: VPC_QUOTA })
  const { Quota } = await client.send(asked, { abortSignal: signal })
  return Quota?.Value ?? DEFAULT_VPCS
}

export function describeNetworks(there: readonly string[], most: number, region: string): Found {
  const what = `${there.length} of ${most} networks (VPCs) in ${region}`
  if (there.length < most) return { level: 'ok', what: `${what}, one more is needed` }
  return {
    level: 'problem',
    what: `${what} are taken, and the database needs one`,
    why: 'the stack would fail of it, and be rolled back',
    fix: `delete one that nothing uses (aws ec2 describe-vpcs --region ${region}), or ask for more, which is free: https://${region}.console.aws.amazon.com/servicequotas/home/services/vpc/quotas/${VPC_QUOTA}`,
  }
}
