// The text format that Prometheus scrapes, version 0.0.4:
// https://prometheus.io/docs/instrumenting/exposition_formats/

import { BUCKET_SECONDS, type HistogramSnapshot } from '../../edge/metrics/histogram.ts'
import type { WorkerReport, WorkerStats } from './worker-stats.ts'

type Labels = Readonly<Record<string, string>>
type Sample = readonly [labels: Labels, value: number]
type Answering = Omit<WorkerReport, 'stats'> & { stats: WorkerStats }

/** All that is known of the edge, as one text. A worker that did not answer is told as not up. */
export function formatMetrics(
  reports: readonly WorkerReport[],
  cloud: { version: string; invalidations: number },
): string {
  const answering = reports.filter((report): report is Answering => report.stats !== undefined)
  return [
    gauge('mokapot_info', 'Version of the running cloud.', [[{ version: cloud.version }, 1]]),
    gauge(
      'mokapot_edge_up',
      'Whether the edge worker answered in time.',
      reports.map(({ edge, stats }) => [{ edge }, stats === undefined ? 0 : 1]),
    ),
    counter(
      'mokapot_edge_restarts_total',
      'Processes of an edge worker that took the place of one that died.',
      reports.map(({ edge, restarts }) => [{ edge }, restarts]),
    ),
    counter('mokapot_invalidations_total', 'Invalidations that every edge worker confirmed.', [
      [{}, cloud.invalidations],
    ]),
    ...traffic(answering),
    ...connections(answering),
    ...caches(answering),
    counter(
      'mokapot_access_log_lines_total',
      'Lines of the access log, written or lost because the disk was slow or full.',
      answering.flatMap(({ edge, stats: { logLines } }) => [
        [{ edge, outcome: 'written' }, logLines.written],
        [{ edge, outcome: 'dropped' }, logLines.dropped],
      ]),
    ),
  ].join('')
}

function traffic(reports: readonly Answering[]): string[] {
  const counts = reports.flatMap(({ edge, stats }) =>
    stats.requests.map(({ project, statusClass, protocol, result, requests, bytes }) => {
      const labels = { edge, project, status: statusClass, protocol, result }
      return { labels, requests, bytes }
    }),
  )
  return [
    counter(
      'mokapot_requests_total',
      'Requests that were answered, refused or given up by the viewer ("aborted").',
      counts.map(({ labels, requests }) => [labels, requests]),
    ),
    counter(
      'mokapot_response_bytes_total',
      'Bytes of the answers to these requests, header included.',
      counts.map(({ labels, bytes }) => [labels, bytes]),
    ),
    histogram(
      'mokapot_request_duration_seconds',
      'From a request to the last byte of its answer handed to the system.',
      reports.map(({ edge, stats }) => [{ edge }, stats.duration]),
    ),
    histogram(
      'mokapot_origin_fetch_duration_seconds',
      'From asking an origin, functions included, to the header of its answer.',
      reports.map(({ edge, stats }) => [{ edge }, stats.originFetch]),
    ),
    counter(
      'mokapot_origin_failures_total',
      'Fetches that an origin did not answer.',
      reports.map(({ edge, stats }) => [{ edge }, stats.originFailures]),
    ),
  ]
}

function connections(reports: readonly Answering[]): string[] {
  return [
    counter(
      'mokapot_connections_accepted_total',
      'Connections that were accepted; over TLS after the handshake.',
      reports.map(({ edge, stats }) => [{ edge }, stats.accepted]),
    ),
    counter(
      'mokapot_connections_refused_total',
      'Connections that were closed at once, for there were too many.',
      reports.map(({ edge, stats }) => [{ edge }, stats.connectionsRefused]),
    ),
    gauge(
      'mokapot_connections_open',
      'Connections that are open.',
      reports.map(({ edge, stats }) => [{ edge }, stats.connectionsOpen]),
    ),
    counter(
      'mokapot_tls_handshakes_total',
      'TLS handshakes: full, resumed, or failed.',
      reports.flatMap(({ edge, stats: { handshakes } }) =>
        (['full', 'resumed', 'failed'] as const).map(kind => [{ edge, kind }, handshakes[kind]]),
      ),
    ),
  ]
}

function caches(reports: readonly Answering[]): string[] {
  const inMemory = (what: 'entries' | 'bytes' | 'hits' | 'misses' | 'evictions'): Sample[] =>
    reports.flatMap(({ edge, stats: { caches } }) => [
      [{ edge, cache: 'files' }, caches.files[what]],
      [{ edge, cache: 'responses' }, caches.responses[what]],
    ])
  const each = (what: 'entries' | 'bytes' | 'hits' | 'misses'): Sample[] => [
    ...inMemory(what),
    ...reports.flatMap(({ edge, stats }): Sample[] => {
      const { disk } = stats.caches.responses
      return disk === undefined ? [] : [[{ edge, cache: 'disk' }, disk[what]]]
    }),
  ]
  return [
    gauge(
      'mokapot_cache_entries',
      'Entries of a cache: files and responses in memory, responses on the disk.',
      each('entries'),
    ),
    gauge('mokapot_cache_bytes', 'Bytes of these entries.', each('bytes')),
    counter('mokapot_cache_hits_total', 'Look-ups that found an entry.', each('hits')),
    counter('mokapot_cache_misses_total', 'Look-ups that found none.', each('misses')),
    counter(
      'mokapot_cache_evictions_total',
      'Entries in memory that had to make room.',
      inMemory('evictions'),
    ),
  ]
}

function counter(name: string, help: string, samples: readonly Sample[]): string {
  return family(name, 'counter', help, samples)
}

function gauge(name: string, help: string, samples: readonly Sample[]): string {
  return family(name, 'gauge', help, samples)
}

function family(name: string, type: string, help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([labels, value]) => line(name, labels, value))
  return `${head(name, type, help)}${lines.join('')}`
}

function histogram(
  name: string,
  help: string,
  snapshots: readonly (readonly [Labels, HistogramSnapshot])[],
): string {
  const series = snapshots.map(([labels, { counts, sumSeconds }]) => {
    let seen = 0
    const buckets = counts.map((count, index) => {
      seen += count
      const bound = BUCKET_SECONDS[index]
      const le = bound === undefined ? '+Inf' : String(bound)
      return line(`${name}_bucket`, { ...labels, le }, seen)
    })
    const sum = line(`${name}_sum`, labels, sumSeconds)
    return `${buckets.join('')}${sum}${line(`${name}_count`, labels, seen)}`
  })
  return `${head(name, 'histogram', help)}${series.join('')}`
}

function head(name: string, type: string, help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`)
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
