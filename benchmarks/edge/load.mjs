// One load of a few seconds, and what it cost the server.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { LOAD_CORE } from './servers.mjs'

/** Of a kernel as they are built; /proc counts in these. */
const TICKS_PER_SECOND = 100

/**
 * `{ requests, cpuMicros, perSecond, p50Ms, p99Ms }`, the processor time per request. `streams`:
 * over HTTP/2 by h2load, so many at once on each connection, which tells no quantiles; else
 * HTTP/1.1 by wrk.
 */
export async function load(server, path, options) {
  const { scheme = 'http', streams, seconds } = options
  const url = `${scheme}://127.0.0.1:${server.portOf[scheme]}${path}`
  const command = streams === undefined ? wrk(url, options) : h2load(url, options)
  const before = cpuTicks(server.pid)
  const run = promisify(execFile)('taskset', ['-c', LOAD_CORE, ...command].map(String))
  const { stdout } = await run
  const ticks = cpuTicks(server.pid) - before
  const counts = streams === undefined ? readWrk(stdout) : readH2load(stdout, seconds)
  return { ...counts, cpuMicros: (ticks / TICKS_PER_SECOND / counts.requests) * 1e6 }
}

/** So many requests that count for nothing. */
export async function warmUp(server, path, { scheme = 'http', streams }, requests) {
  const url = `${scheme}://127.0.0.1:${server.portOf[scheme]}${path}`
  const version = streams === undefined ? ['--h1'] : [`-m${streams}`]
  const command = ['-c', LOAD_CORE, 'h2load', ...version, '-c16', '-n', requests, url]
  await promisify(execFile)('taskset', command.map(String))
}

function wrk(url, { connections = 32, seconds, fields = [] }) {
  const headers = fields.flatMap(field => ['-H', field])
  return ['wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '--latency', ...headers, url]
}

function h2load(url, { connections = 32, streams, seconds }) {
  return ['h2load', '-t1', `-c${connections}`, `-m${streams}`, `-D${seconds}`, url]
}

function readWrk(text) {
  if (/Non-2xx|Socket errors: connect [1-9]/.test(text)) throw new Error(text)
  return {
    requests: Number(/(\d+) requests in/.exec(text)[1]),
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)[1]),
    p50Ms: latency(text, 50),
    p99Ms: latency(text, 99),
  }
}

function readH2load(text, seconds) {
  const [, done, failed] = /(\d+) done, \d+ succeeded, (\d+) failed/.exec(text)
  const [, others] = /(\d+) 3xx/.exec(text)
  if (Number(done) === 0 || Number(failed) > 0 || others !== '0') throw new Error(text)
  return { requests: Number(done), perSecond: Number(done) / seconds }
}

/** User and system time of a process with all its threads. */
function cpuTicks(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return Number(fields[11]) + Number(fields[12])
}

function latency(text, percent) {
  const [, value, unit] = new RegExp(`^\\s+${percent}%\\s+([\\d.]+)(us|ms|s)`, 'm').exec(text)
  return Number(value) * { us: 0.001, ms: 1, s: 1000 }[unit]
}
