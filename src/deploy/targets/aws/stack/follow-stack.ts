import type { Stack, StackEvent } from '@aws-sdk/client-cloudformation'
import { MokaError } from '../../../../shared/errors.ts'
import type { StackService } from './stack-service.ts'

/** Waits so many milliseconds; tests have one that does not. */
export type Wait = (ms: number) => Promise<void>

export const realWait: Wait = ms => new Promise(resolve => setTimeout(resolve, ms))

const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 5_000

/** At rest: nothing happens to it by itself any more. */
export const isAtRest = (status: string) =>
  !status.endsWith('_IN_PROGRESS') || status === 'REVIEW_IN_PROGRESS'

/** Seconds that grow while nothing happens, and start anew when something does. */
export class Backoff {
  readonly #wait: Wait
  #ms = FIRST_WAIT_MS

  constructor(wait: Wait) {
    this.#wait = wait
  }

  async pause(): Promise<void> {
    await this.#wait(this.#ms)
    this.#ms = Math.min(LONGEST_WAIT_MS, this.#ms * 1.5)
  }

  reset(): void {
    this.#ms = FIRST_WAIT_MS
  }
}

export interface Followed {
  /** Undefined where it has gone. */
  stack: Stack | undefined
  status: string
  /** Of this change, in the order they happened. */
  events: StackEvent[]
}

/**
 * Tells what happens to a stack until it is at rest. `since` is the event before the change, which
 * is not told; `id` finds the stack also when it is deleted.
 */
export async function followStack(
  service: StackService,
  id: string,
  options: { since?: string | undefined; wait: Wait; onEvent?: (event: StackEvent) => void },
): Promise<Followed> {
  const { since, wait, onEvent } = options
  const backoff = new Backoff(wait)
  const events: StackEvent[] = []
  let last = since
  for (;;) {
    const fresh = (await service.events(id, ({ EventId }) => EventId === last)).reverse()
    for (const event of fresh) onEvent?.(event)
    events.push(...fresh)
    last = fresh.at(-1)?.EventId ?? last
    const status = statusOf(fresh, id)
    if (status !== undefined && isAtRest(status)) {
      return { stack: await service.find(id), status, events }
    }
    if (fresh.length > 0) backoff.reset()
    else {
      // Somebody else may have deleted it, before the first event that counts here.
      const stack = await service.find(id)
      const now = stack?.StackStatus ?? 'DELETE_COMPLETE'
      if (now === 'DELETE_COMPLETE') return { stack, status: now, events }
    }
    await backoff.pause()
  }
}

/** Of the stack itself, by the newest event that has it. */
function statusOf(events: readonly StackEvent[], id: string): string | undefined {
  return events.findLast(
    ({ StackId, PhysicalResourceId, ResourceType }) =>
      ResourceType === 'AWS::CloudFormation::Stack' &&
      PhysicalResourceId === StackId &&
      (StackId === id || !id.startsWith('arn:')),
  )?.ResourceStatus
}

/** The newest event, from which on a change is followed. */
export async function newestEvent(service: StackService, id: string): Promise<string | undefined> {
  let newest: string | undefined
  await service.events(id, ({ EventId }) => {
    newest = EventId
    return true
  })
  return newest
}

/**
 * Waits for a change that somebody else has begun, or a moka that was killed since; who that was is
 * told once, and what has happened from its beginning on as well.
 */
export async function waitForOther(
  service: StackService,
  stack: Stack,
  options: {
    wait: Wait
    onWait?: (status: string, who: string | undefined) => void
    onEvent?: (event: StackEvent) => void
  },
): Promise<Stack | undefined> {
  const { wait, onWait, onEvent } = options
  const id = stack.StackId ?? ''
  let begun: StackEvent | undefined
  const seen = await service.events(id, event => {
    if (begun !== undefined) return true
    const isBeginning = event.ResourceStatusReason === 'User Initiated'
    if (event.PhysicalResourceId === id && isBeginning) begun = event
    return false
  })
  onWait?.(stack.StackStatus ?? '', whoseToken(begun?.ClientRequestToken))
  let last = seen[0]?.EventId
  for (const event of seen.reverse()) onEvent?.(event)
  const backoff = new Backoff(wait)
  for (;;) {
    const now = await service.find(id)
    if (now === undefined || isAtRest(now.StackStatus ?? '')) {
      return now?.StackStatus === 'DELETE_COMPLETE' ? undefined : now
    }
    const known = last
    const fresh = await service.events(id, ({ EventId }) => EventId === known)
    last = fresh[0]?.EventId ?? last
    for (const event of fresh.reverse()) onEvent?.(event)
    await backoff.pause()
  }
}

/** `moka-NAME-AT-HOST-…`: letters, digits and hyphens are all that a token takes. */
export function requestToken(user: string, host: string, now: number): string {
  const clean = (text: string) => text.replace(/[^A-Za-z0-9]+/g, '-').slice(0, 40)
  return `moka-${clean(user)}-at-${clean(host)}-${now.toString(36)}`
}

/** Who that was; undefined where no moka did it. */
function whoseToken(token: string | undefined): string | undefined {
  const found = /^moka-(.+)-at-(.+)-[a-z0-9]+$/.exec(token ?? '')
  return found === null ? undefined : `${found[1]} at ${found[2]}`
}

/** A stack that moka does not bring forward by itself. */
export function stuck(stack: Stack, region: string): MokaError {
  const name = stack.StackName ?? ''
  const at = `--stack-name ${name} --region ${region}`
  const reason = stack.StackStatusReason === undefined ? '' : `: ${stack.StackStatusReason}`
  const hints: Record<string, string> = {
    UPDATE_ROLLBACK_FAILED: `mend what the reason names, then aws cloudformation continue-update-rollback ${at}`,
    DELETE_FAILED: 'moka destroy --to aws goes on with it; after that a deploy makes it anew',
  }
  return new MokaError(
    'AWS_STACK_STUCK',
    `cannot change stack "${name}": it is ${stack.StackStatus}${reason}`,
    {
      hint:
        hints[stack.StackStatus ?? ''] ??
        `aws cloudformation describe-stack-events ${at} tells why`,
    },
  )
}
