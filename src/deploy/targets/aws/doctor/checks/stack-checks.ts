import type { Stack } from '@aws-sdk/client-cloudformation'
import type { Check, Found } from '../../../../doctor/finding.ts'
import { stuck } from '../../stack/follow-stack.ts'
import { domainStackName, GLOBAL_REGION, siteStackName } from '../../stack/names.ts'
import type { AwsContext } from '../context.ts'

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
  if (stack === undefined || status === undefined) {
    return { level: 'ok', what: `"${name}" is not made yet` }
  }
  const what = `stack "${name}" is ${status}`
  switch (status) {
    case 'CREATE_FAILED':
    case 'ROLLBACK_COMPLETE':
    case 'ROLLBACK_FAILED':
      return {
        level: 'note',
        what,
        why: 'it never came up: the next deploy deletes it, with nothing that was ever used, and makes it anew',
        fix: `what failed first: aws cloudformation describe-stack-events --stack-name ${name} --region ${region}`,
      }
    case 'UPDATE_ROLLBACK_FAILED':
    case 'UPDATE_FAILED':
    case 'DELETE_FAILED': {
      const { message, hint } = stuck(stack, region)
      return {
        level: 'problem',
        what: `${what}${message.split(status)[1] ?? ''}`,
        why: 'CloudFormation changes nothing of it until somebody brings it forward',
        ...(hint === undefined ? {} : { fix: hint }),
      }
    }
    case 'REVIEW_IN_PROGRESS':
      return { level: 'ok', what: `"${name}" is a change set, and nothing is made yet` }
    default:
      break
  }
  if (stack.DriftInformation?.StackDriftStatus === 'DRIFTED') {
    return {
      level: 'note',
      what: `${what}, and drifted when it was last compared`,
      why: 'somebody changed by hand what it made; a deploy sets again only what the template changes',
      fix: `aws cloudformation describe-stack-resource-drifts --stack-name ${name} --region ${region}`,
    }
  }
  if (!status.endsWith('_IN_PROGRESS')) return { level: 'ok', what: `"${name}" is ${status}` }
  return { level: 'note', what, why: 'somebody changes it now: a deploy waits for that' }
}
