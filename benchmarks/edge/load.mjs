// One load of a few seconds, and what it cost the server.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
  if (options.isOncePerConnection) return loadOncePerConnection(server, path, options)
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

/** Connections that are all new, and nothing of one is resumed by another; each asks once. */
async function loadOncePerConnection(server, path, { scheme, seconds, requests }) {
  const url = `${scheme}://127.0.0.1:${server.portOf[scheme]}${path}`
  const command = ['-c', LOAD_CORE, 'h2load', '--h1', '-t1', '-n100', '-c100', url].map(String)
  const before = cpuTicks(server.pid)
  const startMs = performance.now()
  let done = 0
  const isDone = () =>
    requests === undefined ? performance.now() - startMs >= seconds * 1000 : done >= requests
  while (!isDone()) {
    const { stdout } = await promisify(execFile)('taskset', command)
    const { requests: count } = readH2load(stdout, 1)
    done += count
  }
  const ticks = cpuTicks(server.pid) - before
  const perSecond = done / ((performance.now() - startMs) / 1000)
  return { requests: done, perSecond, cpuMicros: (ticks / TICKS_PER_SECOND / done) * 1e6 }
}

/** So many requests that count for nothing; of several paths one after the other. */
export async function warmUp(server, path, { scheme = 'http', streams, fields }, requests) {
  const paths = [path].flat()
  const url = `${scheme}://127.0.0.1:${server.portOf[scheme]}${paths[0]}`
  const version = streams === undefined ? ['--h1'] : [`-m${streams}`]
  // Each connection begins with the first path.
  const connections = paths.length > 1 ? '-c1' : '-c16'
  const asked = paths.length > 1 ? urlFile(url, paths) : [url]
  const args = [...version, connections, '-n', requests, ...headersOf(fields), ...asked]
  await promisify(execFile)('taskset', ['-c', LOAD_CORE, 'h2load', ...args].map(String))
}

/** `paths`: these, instead of the one of the address, and of every so many a 304. */
function wrk(url, { connections = 32, seconds, fields, paths, etags, folder }) {
  const script = paths === undefined ? [] : ['-s', wrkScript(folder, paths, etags)]
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', ...headersOf(fields)]
  return ['wrk', ...args, ...script, url]
}

function h2load(url, { connections = 32, streams, seconds, fields, paths }) {
  const asked = paths === undefined ? [url] : urlFile(url, paths)
  const args = ['-t1', `-c${connections}`, `-m${streams}`, `-D${seconds}`]
  return ['h2load', ...args, ...headersOf(fields), ...asked]
}

function headersOf(fields = []) {
  return fields.flatMap(field => ['-H', field])
}

/** Arguments with which h2load asks for many paths of a server. */
function urlFile(url, paths) {
  const { origin } = new URL(url)
  const file = join(tmpdir(), `moka-benchmark-urls-${process.pid}.txt`)
  writeFileSync(file, paths.map(path => `${origin}${path}\n`).join(''))
  return ['-i', file]
}

/** A script for wrk that asks for paths at random, for those with an ETag by If-None-Match. */
function wrkScript(folder, paths, etags = new Map()) {
  const list = join(folder, '.requests.txt')
  const script = join(folder, '.requests.lua')
  const lines = paths.map(path => `${path} ${etags.get(path) ?? ''}\n`)
  writeFileSync(list, lines.join(''))
  const lua = `
local requests = {}
function init()
  for line in io.lines('${list}') do
    local path, etag = line:match('^(%S+) (.*)$')
    wrk.headers['If-None-Match'] = etag ~= '' and etag or nil
    requests[#requests + 1] = wrk.format('GET', path)
  end
end
function request() return requests[math.random(#requests)] end
`
  writeFileSync(script, lua)
  return script
}

/** ETags of the br variants of every so many paths, as a browser keeps them. */
export async function fetchEtags(server, paths, every) {
  const etags = new Map()
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  const wanted = paths.filter((_, index) => index % every === 0)
  const fetchNext = async () => {
    for (let path = wanted.pop(); path !== undefined; path = wanted.pop()) {
      const options = {
        port: server.portOf.http,
        path,
        agent,
        headers: { 'accept-encoding': 'br' },
      }
      const [response] = await once(get(options), 'response')
      etags.set(path, response.headers.etag)
      await once(response.resume(), 'end')
    }
  }
  await Promise.all(Array.from({ length: 8 }, fetchNext))
  agent.destroy()
  return etags
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
