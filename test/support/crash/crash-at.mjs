// Loaded into every process of a test by `--import`: ends it as kill -9 does at the moment that the
// test has named. Nothing of it ships. What a process has done to the world when it dies is what
// counts, so a moment is a call that the world sees, a file renamed, a message sent, before or after.
//
// MOKA_CRASH_FILE holds the next moment as JSON, and what follows it; it is gone when it was met.
import childProcess from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'

const { existsSync, readFileSync, renameSync, unlinkSync, writeFileSync } = fs
const plan = process.env.MOKA_CRASH_FILE ?? ''
const script = process.argv[1] ?? ''
const command = process.argv[2] ?? ''
const ROLES = { deploy: 'client', up: 'server' }
const role = /workers\/worker\.js$/.test(script) ? 'worker' : (ROLES[command] ?? 'other')

let armed = ''
let met = 0

/** Ends the process here when this is the moment: `when` a `call` on something that is called so. */
function moment(when, call, name) {
  if (!existsSync(plan)) return
  let text
  try {
    text = readFileSync(plan, 'utf8')
  } catch {
    return // another process has met it in between
  }
  const [next, ...rest] = JSON.parse(text)
  if (text !== armed) {
    armed = text
    met = 0
  }
  if (next.role !== role || next.when !== when || next.call !== call) return
  if (!new RegExp(next.on).test(name) || ++met < (next.count ?? 1)) return
  try {
    unlinkSync(plan) // one process alone meets it
  } catch {
    return
  }
  if (rest.length > 0) {
    writeFileSync(`${plan}.next`, JSON.stringify(rest))
    renameSync(`${plan}.next`, plan)
  }
  process.kill(process.pid, 'SIGKILL')
  for (;;); // it does not return from that
}

/** Makes a method of `owner` a moment, before and after; `nameOf` says what it is on. */
function watch(owner, method, call, nameOf) {
  const original = owner[method]
  owner[method] = function (...args) {
    const name = String(nameOf.call(this, ...args))
    moment('before', call, name)
    const result = original.apply(this, args)
    if (typeof result?.then !== 'function') {
      moment('after', call, name)
      return result
    }
    return result.then(value => {
      moment('after', call, name)
      return value
    })
  }
}

const { promises } = fs
watch(promises, 'rename', 'rename', (_from, to) => to)
watch(fs, 'renameSync', 'rename', (_from, to) => to)
watch(fs, 'unlinkSync', 'unlink', path => path)
watch(fs, 'utimesSync', 'utimes', path => path)
watch(promises, 'readFile', 'read', path => path)

// What a file is called is known where it is opened alone.
const opened = new Map()
const { openSync, fdatasync } = fs
fs.openSync = (path, ...rest) => {
  moment('before', 'open', String(path))
  const descriptor = openSync(path, ...rest)
  opened.set(descriptor, String(path))
  return descriptor
}
watch(fs, 'writeFileSync', 'write', target => opened.get(target) ?? target)
fs.fdatasync = (descriptor, done) => {
  const path = opened.get(descriptor) ?? ''
  moment('before', 'sync', path)
  fdatasync(descriptor, error => {
    moment('after', 'sync', path)
    done(error)
  })
}
const paths = new WeakMap()
const { open } = promises
promises.open = async (path, ...rest) => {
  moment('before', 'open', String(path))
  const file = await open.call(promises, path, ...rest)
  paths.set(file, String(path))
  return file
}
const sample = await open.call(promises, script, 'r')
const file = Object.getPrototypeOf(sample)
await sample.close()
for (const [method, call] of [
  ['writeFile', 'write'],
  ['appendFile', 'write'],
  ['sync', 'sync'],
  ['datasync', 'sync'],
])
  watch(file, method, call, function () {
    return paths.get(this)
  })

// Messages between the cloud and its workers: `sites next`, `sites live`, `done serving …`.
function describeMessage(message) {
  const { kind, sites = [], invalidate, serving } = message ?? {}
  if (kind === 'sites')
    return `sites ${invalidate ? 'live' : sites.some(s => s.next) ? 'next' : ''}`
  return serving === undefined ? String(kind) : `${kind} serving`
}
const { spawn } = childProcess.ChildProcess.prototype
childProcess.ChildProcess.prototype.spawn = function (...args) {
  const result = spawn.apply(this, args)
  if (this.send !== undefined) watch(this, 'send', 'send', describeMessage)
  return result
}
if (process.send !== undefined) watch(process, 'send', 'send', describeMessage)
for (const owner of [childProcess.ChildProcess.prototype, process]) {
  const { emit } = owner
  owner.emit = function (event, ...args) {
    if (event === 'message' || event === 'internalMessage') {
      moment('before', 'receive', describeMessage(args[0]))
    }
    if (event === 'exit' && owner !== process) moment('before', 'end', this.spawnargs.join(' '))
    const result = emit.call(this, event, ...args)
    if (event === 'message') moment('after', 'receive', describeMessage(args[0]))
    return result
  }
}
watch(childProcess, 'spawn', 'spawn', (program, args) => [program, ...(args ?? [])].join(' '))

// The control API: a request as it begins, its body, its answer; and SQL on its way.
watch(http, 'request', 'request', url => new URL(url).pathname)
const { emit } = http.ClientRequest.prototype
http.ClientRequest.prototype.emit = function (event, ...args) {
  if (event === 'response') moment('before', 'response', this.path)
  return emit.call(this, event, ...args)
}
watch(http.OutgoingMessage.prototype, 'write', 'body', function (chunk) {
  return `${this.path ?? 'answer'} ${Buffer.from(chunk).toString('latin1', 0, 200)}`
})
watch(net.Socket.prototype, 'write', 'socket', chunk =>
  typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('latin1', 0, 4000),
)
watch(process.stdout, 'write', 'print', text => text)

syncBuiltinESMExports()
