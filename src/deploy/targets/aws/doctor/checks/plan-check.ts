import type { Stack } from '@aws-sdk/client-cloudformation'
import type { Project } from '../../../../../config/project.ts'
import type { Check, Found } from '../../../../doctor/finding.ts'
import { askPlan, type PlanState } from '../../sdk/account-plan.ts'
import {
  BACKUP_DAYS,
  BACKUP_DAYS_PARAMETER,
  FREE_BACKUP_DAYS,
} from '../../template/database/rds.ts'
import type { AwsContext } from '../context.ts'

/** A free account ends with its credits, or after six months, and what stands in it goes. */
export function planCheck(aws: AwsContext): Check {
  return {
    name: 'free plan',
    async run(signal) {
      const [state, stack] = await Promise.all([
        askPlan(await aws.config(), signal),
        aws.project.aws.database === 'rds' ? aws.stack('site') : undefined,
      ])
      return [
        state === undefined
          ? { level: 'ok', what: 'the account is older than free plans, and is paid for' }
          : describePlan(state, aws.project),
        ...(state?.accountPlanType === 'FREE' ? [] : describeBackups(stack)),
      ]
    },
  }
}

export function describePlan(state: PlanState, { aws: { database } }: Project): Found {
  const { accountPlanType: type, accountPlanStatus: status, accountPlanRemainingCredits } = state
  const amount = accountPlanRemainingCredits?.amount ?? 0
  const credits = `${amount.toFixed(0)} ${accountPlanRemainingCredits?.unit ?? 'USD'} of credits left`
  if (type === 'PAID') {
    return { level: 'ok', what: amount > 0 ? `paid plan, ${credits}` : 'paid plan' }
  }
  const fix = 'aws freetier upgrade-account-plan --account-plan-type PAID, which keeps the credits'
  const ends = planEnd(state)
  if (status === 'EXPIRED') {
    const what = `the free plan has ended${ends === undefined ? '' : ` on ${ends}`}`
    return { level: 'problem', what, why: 'AWS makes nothing more in such an account', fix }
  }
  const spends =
    database === 'rds'
      ? '; RDS takes about 14 USD of them a month, and keeps backups of one day in place of seven'
      : ''
  return {
    level: 'note',
    what: `free plan${ends === undefined ? '' : ` until ${ends}`}, ${credits}${spends}`,
    why: 'with its end or the last credit the account is closed, and the site with it; `moka cost` tells a month’s costs',
    fix,
  }
}

/** A pipeline changes no database, and lets it be as it was made on the free plan. */
export function describeBackups(stack: Stack | undefined): Found[] {
  const days = stack?.Parameters?.find(each => each.ParameterKey === BACKUP_DAYS_PARAMETER)
  if (days?.ParameterValue !== String(FREE_BACKUP_DAYS)) return []
  return [
    {
      level: 'note',
      what: `backups of the database are kept for ${FREE_BACKUP_DAYS} day`,
      why: `it was made on the free plan, which refuses more; the account has ${BACKUP_DAYS} by now`,
      fix: '`moka deploy --to aws` by a person: a pipeline may not change the database',
    },
  ]
}

function planEnd({ accountPlanExpirationDate: end }: PlanState): string | undefined {
  if (end === undefined) return undefined
  const date = new Date(typeof end === 'number' ? end * 1000 : end)
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString().slice(0, 10)
}
