import type { AccountQuota } from '@aws-sdk/client-rds'
import type { Check, Found } from '../../../../doctor/finding.ts'
import { sdk } from '../../sdk/sdk.ts'
import { STORAGE_GIGABYTES } from '../../template/database/rds.ts'
import type { AwsContext } from '../context.ts'

/** What a project takes of RDS's quotas, by the names that RDS gives them. */
const TAKEN: Readonly<Record<string, { amount: number; told: string }>> = {
  DBInstances: { amount: 1, told: 'instances' },
  AllocatedStorage: { amount: STORAGE_GIGABYTES, told: 'GB of storage' },
  DBSubnetGroups: { amount: 1, told: 'subnet groups' },
  DBParameterGroups: { amount: 1, told: 'parameter groups' },
}

/** Whether the account may have one database more; RDS tells quotas and use in one answer. */
export function databaseQuotaCheck(aws: AwsContext): Check {
  return {
    name: 'RDS',
    async run(signal) {
      const standing = await aws.standing(signal).catch(() => [])
      if (standing.some(({ type }) => type === 'AWS::RDS::DBInstance')) {
        return { level: 'ok', what: 'the stack has its database' }
      }
      const { RDSClient, DescribeAccountAttributesCommand } = await sdk.rds()
      const client = new RDSClient(await aws.config())
      const { AccountQuotas = [] } = await client.send(new DescribeAccountAttributesCommand({}), {
        abortSignal: signal,
      })
      return describeDatabases(AccountQuotas, aws.project.aws.region)
    },
  }
}

export function describeDatabases(quotas: readonly AccountQuota[], region: string): Found {
  const page = `https://${region}.console.aws.amazon.com/servicequotas/home/services/rds/quotas`
  for (const { AccountQuotaName = '', Used = 0, Max } of quotas) {
    const { amount, told } = TAKEN[AccountQuotaName] ?? {}
    if (amount === undefined || Max === undefined || Used + amount <= Max) continue
    return {
      level: 'problem',
      what: `${Used} of ${Max} ${told} of RDS are taken in ${region}, and the project needs ${amount}`,
      why: 'the stack would fail of it after some minutes, and be rolled back',
      fix: `remove what the account no longer needs, or ask for more, which is free: ${page}`,
    }
  }
  const { Used, Max } =
    quotas.find(({ AccountQuotaName }) => AccountQuotaName === 'DBInstances') ?? {}
  if (Max === undefined) return { level: 'ok', what: `RDS tells no limit in ${region}` }
  return { level: 'ok', what: `${Used ?? 0} of ${Max} instances in ${region}, one more is needed` }
}
