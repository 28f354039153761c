import { MokaError } from '../../../../shared/errors.ts'
import { Backoff, type Wait } from './follow-stack.ts'
import type { ChangeSet, StackService } from './stack-service.ts'

/** A change set when CloudFormation has made it; undefined where it has no changes. */
export async function awaitChangeSet(
  service: StackService,
  stack: string,
  name: string,
  wait: Wait,
): Promise<ChangeSet | undefined> {
  const backoff = new Backoff(wait)
  for (;;) {
    const found = await service.describeChangeSet(stack, name)
    if (found.status === 'CREATE_COMPLETE') return found
    const { reason = '' } = found
    if (found.status === 'FAILED') {
      if (/didn't contain changes|No updates are to be performed/.test(reason)) return undefined
      await service.deleteChangeSet(stack, name)
      throw new MokaError(
        'AWS_STACK_REFUSED',
        `cannot plan a change of stack "${stack}": ${reason.replace(/\.$/, '')}`,
        { hint: 'moka export cloudformation prints the template; cfn-lint says more of it' },
      )
    }
    await backoff.pause()
  }
}
