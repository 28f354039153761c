import { join } from 'node:path'
import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/logger.ts'
import { EdgeMetrics, type TrafficStats } from '../metrics/edge-metrics.ts'
import { parseTrustedProxies } from '../origins/client-address.ts'
import { LogFile, type LogFileOptions } from './files/log-file.ts'
import { jsonLines } from './formats/json-lines.ts'
import { w3cExtended } from './formats/w3c-extended.ts'
import { RequestLog } from './request-log.ts'
import type { TrafficObserver } from './traffic-observer.ts'

/** `json`: an object a line. `w3c`: the fields of CloudFront's standard logs. */
export type AccessLogFormat = 'json' | 'w3c' | 'off'

export interface TrafficLogOptions {
  /** Names the log's file, and is told in each line. */
  edgeId: string
  directory: string
  format: AccessLogFormat
  clock: Clock
  logger: Logger
  trustedProxies: readonly string[]
  /** For tests. */
  file?: Pick<LogFileOptions, 'files' | 'limits'>
}

/** What one edge counts and logs of its traffic. */
export interface TrafficLog {
  readonly observer: TrafficObserver
  readonly metrics: EdgeMetrics
  stats(): TrafficStats & { logLines: { written: number; dropped: number } }
  /** Resolves when what was logged is in the file. */
  flush(): Promise<void>
  /** Writes what waits, and closes the file. */
  close(): Promise<void>
}

/** A disk that does not answer by then is not waited for. */
const CLOSE_TIMEOUT_MS = 500

export function openTrafficLog(options: TrafficLogOptions): TrafficLog {
  const { edgeId, directory, clock, logger } = options
  const metrics = new EdgeMetrics()
  const format =
    options.format === 'off'
      ? undefined
      : options.format === 'json'
        ? jsonLines(edgeId)
        : w3cExtended(edgeId)
  const file =
    format &&
    new LogFile({
      ...options.file,
      path: join(directory, `${edgeId}.${format.extension}`),
      head: format.head,
      gap: format.gap,
      clock,
      onProblem: reason => logger.error('the access log cannot be written', { edgeId, reason }),
    })
  const observer = new RequestLog({
    edgeId,
    clock,
    metrics,
    trustedProxies: parseTrustedProxies(options.trustedProxies),
    ...(file && { lines: { format, append: line => file.append(line) } }),
  })
  return {
    observer,
    metrics,
    stats: () => ({
      ...metrics.stats(),
      logLines: file?.stats() ?? { written: 0, dropped: 0 },
    }),
    flush: async () => file?.flush(),
    close: async () => file?.close(CLOSE_TIMEOUT_MS),
  }
}
