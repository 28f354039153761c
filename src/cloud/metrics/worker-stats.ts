import type { EdgeStats } from '../../edge/edge.ts'
import type { TrafficStats } from '../../edge/metrics/edge-metrics.ts'

/** What one edge worker counted since its process started, and what it holds. */
export interface WorkerStats extends TrafficStats {
  connectionsOpen: number
  connectionsRefused: number
  logLines: { written: number; dropped: number }
  caches: Pick<EdgeStats, 'files' | 'responses'>
}

/** One place of a worker, at the moment of the question. */
export interface WorkerReport {
  edge: string
  /** Processes that took this place after one that died. */
  restarts: number
  /** Undefined: it did not answer in time. */
  stats: WorkerStats | undefined
}
