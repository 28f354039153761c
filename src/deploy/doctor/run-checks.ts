import { setMaxListeners } from 'node:events'
import { MokaError } from '../../shared/errors.ts'
import type { Check, Finding } from './finding.ts'

export interface CheckOptions {
  /** Until a check that gives no answer counts as one. */
  boundMs: number
  /**
   * What a failure means, `DOCTOR_LATE` among them; default: that it could not be told, which stops
   * nothing.
   */
  explain?(error: unknown, check: string): Finding | undefined
}

/** Runs them all at once, each within its own time, and keeps their order. None throws. */
export async function runChecks(
  checks: readonly Check[],
  options: CheckOptions,
): Promise<Finding[]> {
  const found = await Promise.all(checks.map(check => runCheck(check, options)))
  return found.flat()
}

async function runCheck(check: Check, { boundMs, explain }: CheckOptions): Promise<Finding[]> {
  const { name } = check
  const ending = new AbortController()
  // A check asks for as many things at once as it has.
  setMaxListeners(0, ending.signal)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(lateness(boundMs)), boundMs)
  })
  try {
    const found = await Promise.race([check.run(ending.signal), late])
    return [found].flat().map(each => ({ check: name, ...each }))
  } catch (error) {
    // What several checks wait for ends with the first of them.
    const failure = (error as Error).name === 'AbortError' ? lateness(boundMs) : error
    return [explain?.(failure, name) ?? unknownFinding(name, failure)]
  } finally {
    clearTimeout(timer)
    ending.abort()
  }
}

function lateness(boundMs: number): MokaError {
  return new MokaError('DOCTOR_LATE', `no answer within ${(boundMs / 1000).toFixed(1)} s`, {
    hint: 'is the network closed, or slow? moka doctor --timeout 30 waits longer',
  })
}

function unknownFinding(check: string, error: unknown): Finding {
  const what = error instanceof Error ? error.message : String(error)
  const fix = error instanceof MokaError ? error.hint : undefined
  return { check, level: 'note', what, ...(fix === undefined ? {} : { fix }) }
}
