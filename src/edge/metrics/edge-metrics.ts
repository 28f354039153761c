import { Histogram, type HistogramSnapshot } from './histogram.ts'

/** Requests and the bytes of their answers that have these labels. */
export interface RequestCount {
  project: string
  statusClass: string
  protocol: string
  result: string
  requests: number
  bytes: number
}

/** What one worker counted since it started. */
export interface TrafficStats {
  requests: RequestCount[]
  duration: HistogramSnapshot
  originFetch: HistogramSnapshot
  originFailures: number
  accepted: number
  handshakes: { full: number; resumed: number; failed: number }
}

/** Counters of one edge worker: what engines and cache tell it, it adds up. */
export class EdgeMetrics {
  readonly duration = new Histogram()
  readonly #originFetch = new Histogram()
  readonly #counts = new Map<string, RequestCount>()
  readonly handshakes = { full: 0, resumed: 0, failed: 0 }
  /** Connections. */
  accepted = 0
  #originFailures = 0

  /** The counter with these labels, to be kept by whoever counts often. */
  counter(
    project: string | undefined,
    status: number,
    protocol: string,
    result: string,
  ): RequestCount {
    const statusClass = status === 0 ? 'aborted' : `${Math.trunc(status / 100)}xx`
    const key = `${project ?? ''}\0${statusClass}\0${protocol}\0${result}`
    let count = this.#counts.get(key)
    if (count === undefined) {
      count = { project: project ?? '', statusClass, protocol, result, requests: 0, bytes: 0 }
      this.#counts.set(key, count)
    }
    return count
  }

  originFetched(durationMs: number, isFailed: boolean): void {
    this.#originFetch.observe(durationMs)
    if (isFailed) this.#originFailures++
  }

  stats(): TrafficStats {
    return {
      requests: [...this.#counts.values()],
      duration: this.duration.snapshot(),
      originFetch: this.#originFetch.snapshot(),
      originFailures: this.#originFailures,
      accepted: this.accepted,
      handshakes: { ...this.handshakes },
    }
  }
}
