import { setTimeout } from 'node:timers/promises'
import type { CloudWatchLogsClient, FilteredLogEvent } from '@aws-sdk/client-cloudwatch-logs'
import type { FunctionLogEntry } from '../../../../../functions/version.ts'
import type { Clock } from '../../../../../shared/clock.ts'
import { explainAwsError, isAwsFailure } from '../../sdk/errors.ts'
import { sdk } from '../../sdk/sdk.ts'
import { lambdaName } from '../../stack/names.ts'
import { parseLogEvent } from './log-line.ts'

/** Spans that the last entries are looked for in, one before the other, until there are enough. */
const SPANS_MS = [5 * 60_000, 3_600_000, 86_400_000, 30 * 86_400_000, 3653 * 86_400_000]
const POLL_MS = 2000
/** CloudWatch may show an event so much later than one that happened after it. */
const LATE_MS = 30_000

export interface AwsLogsParts {
  client: Pick<CloudWatchLogsClient, 'send'>
  project: string
  clock: Clock
  /** Between two looks at what is new. */
  pollMs?: number
}

/** What functions wrote, in CloudWatch Logs: each has a group of its own. */
export class AwsLogs {
  readonly #parts: AwsLogsParts

  constructor(parts: AwsLogsParts) {
    this.#parts = parts
  }

  /** The last `count` entries of these functions, oldest first. */
  async tail(functions: readonly string[], count: number): Promise<FunctionLogEntry[]> {
    const found = await this.#tail(functions, count, this.#parts.clock.now())
    return found.map(({ entry }) => entry)
  }

  /**
   * Calls back for the last `count` entries and then for each new one, until `signal` ends it. Late
   * ones come late; none comes twice.
   */
  async follow(
    functions: readonly string[],
    count: number,
    onEntry: (entry: FunctionLogEntry) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const begunMs = this.#parts.clock.now()
    const seen = new Map<string, number>()
    const current = new Map<string, string>()
    const show = (found: readonly Found[]) => {
      for (const { id, entry } of found) {
        if (seen.has(id)) continue
        seen.set(id, entry.timeMs)
        onEntry(entry)
      }
    }
    const last = await this.#tail(functions, count, begunMs, current)
    show(last)
    // What is older than these and was not asked for is not new, however late it is looked for.
    let fromMs = Math.max(begunMs - LATE_MS, (last[0]?.entry.timeMs ?? begunMs - 1) + 1)
    while (!signal.aborted) {
      await setTimeout(this.#parts.pollMs ?? POLL_MS, undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      const found = await this.#read(functions, fromMs, undefined, current).catch(error => {
        if (!isAwsFailure(error, 'AWS_THROTTLED')) throw error
        return [] // the next look has it all
      })
      show(found)
      fromMs = Math.max(fromMs, this.#parts.clock.now() - 2 * LATE_MS)
      for (const [id, timeMs] of seen) if (timeMs < fromMs) seen.delete(id)
    }
  }

  async #tail(
    functions: readonly string[],
    count: number,
    nowMs: number,
    current = new Map<string, string>(),
  ): Promise<Found[]> {
    let found: Found[] = []
    let untilMs: number | undefined
    for (const span of SPANS_MS) {
      const fromMs = Math.max(0, nowMs - span)
      found = [...(await this.#read(functions, fromMs, untilMs, current)), ...found]
      if (found.length >= count) break
      untilMs = fromMs
    }
    return count === 0 ? [] : found.slice(-count)
  }

  /** All from a time on, until before another, in the order of their times. */
  async #read(
    functions: readonly string[],
    fromMs: number,
    untilMs: number | undefined,
    current: Map<string, string>,
  ): Promise<Found[]> {
    const events = await Promise.all(
      functions.map(async name =>
        (await this.#events(name, fromMs, untilMs)).map(event => ({ name, event })),
      ),
    )
    return events
      .flat()
      .sort((a, b) => (a.event.timestamp ?? 0) - (b.event.timestamp ?? 0))
      .map(({ name, event }) => ({
        id: `${name} ${event.eventId}`,
        entry: parseLogEvent(
          {
            timeMs: event.timestamp ?? 0,
            stream: `${name} ${event.logStreamName}`,
            message: event.message ?? '',
          },
          { project: this.#parts.project, function: name },
          current,
        ),
      }))
  }

  async #events(
    name: string,
    startTime: number,
    untilMs: number | undefined,
  ): Promise<FilteredLogEvent[]> {
    const { FilterLogEventsCommand } = await sdk.logs()
    const logGroupName = `/aws/lambda/${lambdaName(this.#parts.project, name)}`
    const found: FilteredLogEvent[] = []
    let nextToken: string | undefined
    do {
      const page = await this.#parts.client
        .send(
          new FilterLogEventsCommand({
            ...{ logGroupName, startTime },
            ...(untilMs === undefined ? {} : { endTime: untilMs - 1 }),
            ...(nextToken === undefined ? {} : { nextToken }),
          }),
        )
        .catch((error: Error) => {
          // Not deployed yet: it has written nothing.
          if (error.name === 'ResourceNotFoundException') return undefined
          throw explainAwsError(error, `read the log of function "${name}"`)
        })
      found.push(...(page?.events ?? []))
      nextToken = page?.nextToken
    } while (nextToken !== undefined)
    return found
  }
}

interface Found {
  /** Of CloudWatch. */
  id: string
  entry: FunctionLogEntry
}
