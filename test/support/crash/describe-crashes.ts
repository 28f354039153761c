import { afterAll, beforeAll, test } from 'vitest'
import { Crashing, type Moment } from './crashing.ts'

/** A named moment: when, at which call, on what, and which of several such calls. */
export type Call = [name: string, when: Moment['when'], call: string, on: string, count?: number]

export const BLOB = '/blobs/[0-9a-f]{64}$'

export function momentOf(role: Moment['role'], [, when, call, on, count = 1]: Call): Moment {
  return { role, when, call, on, count }
}

/** A test for each moment, one after the other on one cloud; `more` adds tests of one's own. */
export function describeCrashes(
  role: Moment['role'],
  calls: readonly Call[],
  options: { database?: boolean; more?: (site: () => Crashing) => void } = {},
): void {
  let site: Crashing | undefined
  beforeAll(async () => {
    site = await Crashing.open(`crash-${role}`, options)
  })
  afterAll(() => site?.close())

  test.each(calls)('%s', async (...call) => site!.crash([momentOf(role, call)]))
  options.more?.(() => site!)
}
