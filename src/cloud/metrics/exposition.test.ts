import { describe, expect, test } from 'vitest'
import { parseExposition } from '../../../test/support/exposition.ts'
import { EdgeMetrics } from '../../edge/metrics/edge-metrics.ts'
import { formatMetrics } from './exposition.ts'
import type { WorkerReport, WorkerStats } from './worker-stats.ts'

function statsOf(metrics: EdgeMetrics): WorkerStats {
  const cache = { entries: 1, bytes: 2, hits: 3, misses: 4, evictions: 9 }
  return {
    ...metrics.stats(),
    connectionsOpen: 7,
    connectionsRefused: 8,
    logLines: { written: 5, dropped: 6 },
    caches: { files: cache, responses: { ...cache, hits: 30 } },
  }
}

function format(...reports: Partial<WorkerReport>[]) {
  const workers = reports.map((report, index) => ({
    ...{ edge: `edge-${index + 1}`, restarts: 0, stats: undefined },
    ...report,
  }))
  return parseExposition(formatMetrics(workers, { version: '1.0.0', invalidations: 2 }))
}

describe('/metrics', () => {
  test('tells requests by project, status class, protocol and result', () => {
    const metrics = new EdgeMetrics()
    const hits = metrics.counter('site', 200, 'HTTP/1.1', 'Hit')
    hits.requests += 3
    hits.bytes += 1000
    metrics.counter('site', 204, 'HTTP/1.1', 'Hit').requests++
    metrics.counter(undefined, 421, 'HTTP/2.0', 'Error').requests++
    metrics.counter('site', 0, 'HTTP/2.0', 'Error').requests++
    const found = format({ stats: statsOf(metrics) })
    const labels = { edge: 'edge-1', project: 'site', status: '2xx', protocol: 'HTTP/1.1' }
    expect(found.value('mokapot_requests_total', { ...labels, result: 'Hit' })).toBe(4)
    expect(found.value('mokapot_response_bytes_total', { ...labels, result: 'Hit' })).toBe(1000)
    expect(found.value('mokapot_requests_total', { project: '', status: '4xx' })).toBe(1)
    expect(found.value('mokapot_requests_total', { status: 'aborted' })).toBe(1)
  })

  test('tells durations as cumulative buckets, their sum and their number', () => {
    const metrics = new EdgeMetrics()
    metrics.duration.countInstant()
    for (const durationMs of [0.5, 0.6, 3, 90_000]) metrics.duration.observe(durationMs)
    const found = format({ stats: statsOf(metrics) })
    const name = 'mokapot_request_duration_seconds'
    const upTo = (le: string) => found.value(`${name}_bucket`, { le })
    expect(['0.0005', '0.001', '0.0025', '0.005', '60', '+Inf'].map(upTo)).toEqual([
      2, 3, 3, 4, 4, 5,
    ])
    expect(found.value(`${name}_count`)).toBe(5)
    expect(found.value(`${name}_sum`)).toBeCloseTo(90.0041)
  })

  test('a worker that does not answer is not up, and has no other figures', () => {
    const found = format({ stats: statsOf(new EdgeMetrics()) }, { restarts: 3 })
    expect(found.value('mokapot_edge_up', { edge: 'edge-1' })).toBe(1)
    expect(found.value('mokapot_edge_up', { edge: 'edge-2' })).toBe(0)
    expect(found.value('mokapot_edge_restarts_total', { edge: 'edge-2' })).toBe(3)
    expect(found.value('mokapot_connections_open', { edge: 'edge-1' })).toBe(7)
    expect(found.value('mokapot_connections_refused_total', { edge: 'edge-1' })).toBe(8)
    expect(found.value('mokapot_connections_open', { edge: 'edge-2' })).toBeUndefined()
  })

  test('names are escaped, whatever they are', () => {
    const metrics = new EdgeMetrics()
    const project = 'a"b\\c\nd'
    metrics.counter(project, 200, 'HTTP/1.1', 'Hit').requests++
    expect(format({ stats: statsOf(metrics) }).value('mokapot_requests_total', { project })).toBe(1)
  })

  test('tells caches, log lines, origins, handshakes and invalidations', () => {
    const metrics = new EdgeMetrics()
    metrics.originFetched(20, false)
    metrics.originFetched(30, true)
    metrics.handshakes.resumed++
    const found = format({ stats: statsOf(metrics) })
    expect(found.value('mokapot_cache_hits_total', { cache: 'responses' })).toBe(30)
    expect(found.value('mokapot_cache_evictions_total', { cache: 'files' })).toBe(9)
    expect(found.value('mokapot_access_log_lines_total', { outcome: 'dropped' })).toBe(6)
    expect(found.value('mokapot_origin_fetch_duration_seconds_count')).toBe(2)
    expect(found.value('mokapot_origin_failures_total')).toBe(1)
    expect(found.value('mokapot_tls_handshakes_total', { kind: 'resumed' })).toBe(1)
    expect(found.value('mokapot_invalidations_total')).toBe(2)
    expect(found.value('mokapot_info', { version: '1.0.0' })).toBe(1)
  })
})
