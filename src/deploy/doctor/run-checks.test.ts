import { describe, expect, it } from 'vitest'
import { MokaError } from '../../shared/errors.ts'
import type { Check } from './finding.ts'
import { runChecks } from './run-checks.ts'

const ok = { level: 'ok', what: 'well' } as const
const check = (name: string, run: Check['run']): Check => ({ name, run })

describe('runChecks', () => {
  it('keeps the order of the checks, with the name of each', async () => {
    const findings = await runChecks(
      [
        check('slow', () => new Promise(resolve => setImmediate(resolve, [ok, ok]))),
        check('fast', async () => ok),
      ],
      { boundMs: 1000 },
    )
    expect(findings.map(each => each.check)).toEqual(['slow', 'slow', 'fast'])
  })

  it('starts all of them before it waits for one', async () => {
    let open = () => {}
    const opened = new Promise<void>(resolve => {
      open = resolve
    })
    const findings = await runChecks(
      [
        check('waits', async () => {
          await opened
          return ok
        }),
        check('opens', async () => {
          open()
          return ok
        }),
      ],
      { boundMs: 5000 },
    )
    expect(findings.map(({ level }) => level)).toEqual(['ok', 'ok'])
  })

  it('makes a finding of a check that hangs, and tells it to end', async () => {
    let isEnded = false
    const [found] = await runChecks(
      [
        check('hangs', signal => {
          signal.addEventListener('abort', () => {
            isEnded = true
          })
          return new Promise(() => {})
        }),
      ],
      { boundMs: 20 },
    )
    expect(found).toMatchObject({ check: 'hangs', level: 'note', what: 'no answer within 0.0 s' })
    expect(isEnded).toBe(true)
  })

  it('calls late what ended because another check did that waited for the same', async () => {
    const [found] = await runChecks(
      [check('shares', () => Promise.reject(new DOMException('Request aborted', 'AbortError')))],
      { boundMs: 4000 },
    )
    expect(found?.what).toBe('no answer within 4.0 s')
  })

  it('makes a finding of a check that fails, with what mends it', async () => {
    const [found] = await runChecks(
      [
        check('fails', async () => {
          throw new MokaError('X_Y', 'cannot x: y', { hint: 'z' })
        }),
      ],
      { boundMs: 1000 },
    )
    expect(found).toEqual({ check: 'fails', level: 'note', what: 'cannot x: y', fix: 'z' })
  })
})
