import type { Stack } from '@aws-sdk/client-cloudformation'
import type { Check, Found } from '../../../doctor/finding.ts'
import { domainStackName, GLOBAL_REGION, siteStackName } from '../stack/names.ts'
import type { AwsContext } from './context.ts'

/** What CloudFormation has of this project, and whether that lets itself be changed. */
export function stackCheck(aws: AwsContext): Check {
  const { name, domain, aws: settings } = aws.project
  const stacks = [
    { which: 'site' as const, name: siteStackName(name), region: settings.region },
    ...(domain === undefined
      ? []
      : [{ which: 'domain' as const, name: domainStackName(name), region: GLOBAL_REGION }]),
  ]
  return {
    name: 'stacks',
    async run() {
      const found = await Promise.all(
        stacks.map(async ({ which, name, region }) =>
          describeState(name, region, await aws.stack(which)),
        ),
      )
      const worse = found.filter(each => each.level !== 'ok')
      if (worse.length > 0) return worse
      return { level: 'ok', what: found.map(({ what }) => what).join('; ') }
    },
  }
}

/** Statuses: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html */
export function describeState(name: string, region: string, stack: Stack | undefined): Found {
  const status = stack?.StackStatus
  if (status === undefined) return { level: 'ok', what: `"${name}" is not made yet` }
  const fix = (command: string) =>
    `aws cloudformation ${command} --stack-name ${name} --region ${region}`
  const reason = stack?.StackStatusReason
  const what = `stack "${name}" is ${status}${reason === undefined ? '' : `: ${reason.replace(/\.$/, '')}`}`
  switch (status) {
    case 'ROLLBACK_COMPLETE':
    case 'ROLLBACK_FAILED':
    case 'CREATE_FAILED':
      return {
        level: 'problem',
        what,
        why: 'it never came up, and CloudFormation changes no such stack: it has to be deleted first',
        fix: fix('delete-stack'),
      }
    case 'DELETE_FAILED':
      return {
        level: 'problem',
        what,
        why: 'what could not be deleted, such as a bucket that is not empty, holds it',
        fix: `${fix('describe-stack-events')} tells what it was; then ${fix('delete-stack')}`,
      }
    case 'UPDATE_ROLLBACK_FAILED':
      return {
        level: 'problem',
        what,
        why: 'the way back failed, and nothing can be changed until it is gone to its end',
        fix: `mend what it names, then ${fix('continue-update-rollback')}`,
      }
    case 'REVIEW_IN_PROGRESS':
      return { level: 'ok', what: `"${name}" is only a change set yet` }
    default:
      break
  }
  if (!status.endsWith('_IN_PROGRESS')) return { level: 'ok', what: `"${name}" is ${status}` }
  return {
    level: 'note',
    what,
    why: 'somebody changes it now: a deploy waits for that',
    fix: fix('describe-stacks'),
  }
}
