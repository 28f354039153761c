// The Node runtime: waits to be told which function it is, loads it, and serves the Lambda runtime
// API (2018-06-01) over one raw connection. Started before it is needed: until the line on file
// descriptor 3 arrives it blocks there and uses no CPU. CommonJS, since that starts 8 ms faster.
const {
  closeSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
} = require('node:fs')
const { createRequire } = require('node:module')
const { connect } = require('node:net')
const { dirname, join, resolve: resolvePath } = require('node:path')
const { pathToFileURL } = require('node:url')

const CONTROL = 3
const API = '/2018-06-01/runtime'
const MAX_RESPONSE_BYTES = 6 * 1024 * 1024 + 100

function readControlLine() {
  const chunks = []
  const buffer = Buffer.alloc(65536)
  for (;;) {
    const count = readSync(CONTROL, buffer)
    if (count === 0) process.exit(0) // the cloud is gone, or does not need us
    chunks.push(Buffer.from(buffer.subarray(0, count)))
    if (buffer[count - 1] === 10) return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  }
}

/**
 * Closes what the cloud had open without O_CLOEXEC, its object index above all. Node's own
 * descriptors have that flag, but it also sets it on the lowest that it inherits.
 */
function closeInherited() {
  if (process.platform !== 'linux') return
  for (const name of readdirSync('/proc/self/fd')) {
    const fd = Number(name)
    if (fd <= CONTROL) continue
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`)
      const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))
      const isForeign = /^socket:|^\/(?!dev\/)/.test(target)
      if (isForeign || (Number.parseInt(flags[1], 8) & 0o2000000) === 0) closeSync(fd)
    } catch {} // the one that read the folder
  }
}

/** One keep-alive HTTP/1.1 connection. Our own server answers: a status, headers, a length, a body. */
class ApiConnection {
  #socket
  #pending = [] // resolvers, in the order of the requests
  #buffer = Buffer.alloc(0)
  #head = null

  constructor(address, key) {
    const [host, port] = address.split(':')
    this.host = address
    this.first = `mokapot-key: ${key}\r\n`
    this.#socket = connect({ host, port: Number(port), noDelay: true })
    this.#socket.on('data', chunk => this.#read(chunk))
    this.#socket.on('error', () => process.exit(1))
    this.#socket.on('close', () => process.exit(1))
    this.connected = new Promise(resolve => this.#socket.once('connect', resolve))
  }

  /** Sends requests in one write and resolves with the answer to the last. */
  send(requests) {
    let last
    const parts = []
    for (const { method, path, headers = '', body = '' } of requests) {
      const bytes = Buffer.from(body)
      const length = method === 'POST' ? `content-length: ${bytes.length}\r\n` : ''
      parts.push(
        Buffer.from(
          `${method} ${API}${path} HTTP/1.1\r\nhost: ${this.host}\r\n${this.first}${length}${headers}\r\n`,
        ),
      )
      parts.push(bytes)
      this.first = ''
      last = new Promise(resolve => this.#pending.push(resolve))
    }
    this.#socket.write(Buffer.concat(parts))
    return last
  }

  /** While referenced the connection keeps the process alive. */
  hold() {
    this.#socket.ref()
  }

  release() {
    this.#socket.unref()
  }

  #read(chunk) {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk])
    for (;;) {
      if (this.#head === null) {
        const end = this.#buffer.indexOf('\r\n\r\n')
        if (end === -1) return
        const lines = this.#buffer.toString('latin1', 0, end).split('\r\n')
        const headers = {}
        for (const line of lines.slice(1)) {
          const colon = line.indexOf(':')
          headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
        }
        this.#head = { status: Number(lines[0].split(' ')[1]), headers }
        this.#buffer = this.#buffer.subarray(end + 4)
      }
      const length = Number(this.#head.headers['content-length'] ?? 0)
      if (this.#buffer.length < length) return
      const answer = { ...this.#head, body: this.#buffer.toString('utf8', 0, length) }
      this.#buffer = this.#buffer.subarray(length)
      this.#head = null
      this.#pending.shift()?.(answer)
    }
  }
}

class RuntimeError extends Error {
  constructor(name, message) {
    super(message)
    this.name = name
  }
}

function describeError(error) {
  if (error instanceof Error || (typeof error === 'object' && error !== null && 'stack' in error)) {
    const stack = String(error.stack ?? error)
    return {
      errorType: String(error.name ?? 'Error'),
      errorMessage: String(error.message ?? ''),
      trace: stack.split('\n'),
    }
  }
  return { errorType: typeof error, errorMessage: String(error), trace: [] }
}

function isFile(path) {
  try {
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** `module` or `commonjs` as the nearest package.json inside the function says, else undefined. */
function packageType(file, taskRoot) {
  for (let folder = dirname(file); folder.startsWith(taskRoot); folder = dirname(folder)) {
    try {
      return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).type
    } catch {}
  }
  return undefined
}

async function loadModule(taskRoot, name) {
  const base = resolvePath(taskRoot, name)
  const file = [
    base,
    `${base}.js`,
    `${base}.mjs`,
    `${base}.cjs`,
    join(base, 'index.js'),
    join(base, 'index.mjs'),
  ].find(candidate => candidate.startsWith(join(taskRoot, '/')) && isFile(candidate))
  if (file === undefined) {
    throw new RuntimeError('Runtime.ImportModuleError', `Error: Cannot find module '${name}'`)
  }
  const isCommonJs =
    file.endsWith('.cjs') || (file.endsWith('.js') && packageType(file, taskRoot) === 'commonjs')
  try {
    if (isCommonJs) return createRequire(file)(file)
    return await import(pathToFileURL(file).href)
  } catch (error) {
    if (error instanceof SyntaxError) {
      const wrapped = new RuntimeError(
        'Runtime.UserCodeSyntaxError',
        `SyntaxError: ${error.message}`,
      )
      wrapped.stack = `${wrapped.name}: ${wrapped.message}\n${error.stack}`
      throw wrapped
    }
    if (error?.code === 'MODULE_NOT_FOUND' || error?.code === 'ERR_MODULE_NOT_FOUND') {
      throw new RuntimeError('Runtime.ImportModuleError', `Error: ${error.message}`)
    }
    throw error
  }
}

/** `a/b.handler`: the module is what stands before the first dot after the last slash. */
async function loadHandler(taskRoot, handler) {
  const slash = handler.lastIndexOf('/') + 1
  const dot = handler.indexOf('.', slash)
  if (dot === -1 || dot === slash || dot === handler.length - 1) {
    throw new RuntimeError('Runtime.MalformedHandlerName', `Bad handler '${handler}'`)
  }
  const module = await loadModule(taskRoot, handler.slice(0, dot))
  const path = handler.slice(dot + 1).split('.')
  // A CommonJS module has its exports under `default` when imported; bundlers do both.
  const found = [module, module.default].map(root =>
    path.reduce((value, key) => value?.[key], root),
  )
  const run = found.find(value => typeof value === 'function')
  if (run !== undefined) return run
  if (found.every(value => value === undefined)) {
    throw new RuntimeError('Runtime.HandlerNotFound', `${handler} is undefined or not exported`)
  }
  throw new RuntimeError('Runtime.HandlerNotFound', `${handler} is not a function`)
}

function createContext(headers, settle) {
  const deadline = Number(headers['lambda-runtime-deadline-ms'])
  const { env } = process
  const context = {
    callbackWaitsForEmptyEventLoop: true,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
    done: (error, result) => settle(error, result),
    succeed: result => settle(null, result),
    fail: error => settle(error ?? new Error('failed')),
  }
  return context
}

/**
 * Resolves with the result. A promise counts when the handler returns one; otherwise the callback
 * does, and what a plain function returns is not the result. Lambda does the same.
 */
function runHandler(handler, event, headers, state) {
  return new Promise((resolve, reject) => {
    const finish = (error, result) => {
      if (error === undefined || error === null) resolve(result)
      else reject(error)
    }
    // With nothing left to do in the process no answer can come any more: the answer is null.
    state.onEmpty = () => finish(null, null)
    const settle = (error, result) => {
      if (context.callbackWaitsForEmptyEventLoop) state.onEmpty = () => finish(error, result)
      else finish(error, result)
    }
    const context = createContext(headers, settle)
    try {
      const returned = handler(event, context, settle)
      if (typeof returned?.then === 'function') returned.then(resolve, reject)
    } catch (error) {
      reject(error)
    }
  })
}

function encodeResult(result) {
  let body
  try {
    body = JSON.stringify(result === undefined ? null : result) ?? 'null'
  } catch (error) {
    throw new RuntimeError(
      'Runtime.MarshalError',
      `Unable to stringify response body: ${error.message}`,
    )
  }
  if (Buffer.byteLength(body) > MAX_RESPONSE_BYTES) {
    const message = `Response payload size exceeded maximum allowed payload size (${MAX_RESPONSE_BYTES} bytes).`
    throw new RuntimeError('Function.ResponseSizeTooLarge', message)
  }
  return body
}

function flushed(stream) {
  if (stream.writableLength === 0) return undefined
  return new Promise(resolve => stream.write('', () => resolve()))
}

async function serve(api, handler, state) {
  const next = { method: 'GET', path: '/invocation/next' }
  let invocation = await api.send([next])
  for (;;) {
    const { headers, body } = invocation
    const id = headers['lambda-runtime-aws-request-id']
    process.env._X_AMZN_TRACE_ID = headers['lambda-runtime-trace-id']
    state.requestId = id
    let answer
    try {
      api.release()
      const result = await runHandler(handler, JSON.parse(body), headers, state)
      answer = { method: 'POST', path: `/invocation/${id}/response`, body: encodeResult(result) }
    } catch (error) {
      answer = errorRequest(`/invocation/${id}/error`, error)
    }
    api.hold()
    state.requestId = undefined
    state.onEmpty = undefined
    await flushed(process.stdout)
    await flushed(process.stderr)
    invocation = await api.send([answer, next])
  }
}

function errorRequest(path, error) {
  const described = describeError(error)
  const headers = `lambda-runtime-function-error-type: ${described.errorType.replace(/[^\x20-\x7e]/g, '?')}\r\n`
  return { method: 'POST', path, headers, body: JSON.stringify(described) }
}

/**
 * Loads, while nobody waits, what functions use most, the loader of ES modules included. With the
 * driver of the example this halves the time to its first answer.
 */
async function warmUp() {
  const names = ['net', 'tls', 'https', 'crypto', 'stream', 'os', 'perf_hooks', 'fs/promises']
  for (const name of [...names, 'zlib', 'url', 'util', 'timers/promises', 'dns']) {
    await import(`node:${name}`)
  }
  await import('./warm.mjs')
  // OpenSSL looks each algorithm up at its first use.
  const { createHash, createHmac, pbkdf2, randomBytes } = require('node:crypto')
  createHash('md5').update(randomBytes(16)).digest('hex')
  createHmac('sha256', 'key').update('text').digest()
  await new Promise(resolve => pbkdf2('password', 'salt', 1, 32, 'sha256', resolve))
}

async function main() {
  closeInherited()
  if (process.argv[2] === 'early') await warmUp().catch(() => {})
  const { taskRoot, variables, apiKey } = readControlLine()
  closeSync(CONTROL)
  for (const name of Object.keys(process.env)) delete process.env[name]
  Object.assign(process.env, variables)
  process.chdir(taskRoot)
  const api = new ApiConnection(variables.AWS_LAMBDA_RUNTIME_API, apiKey)
  await api.connected
  const state = { requestId: undefined, onEmpty: undefined }
  const fatal = async (error, type) => {
    const wrapped = new RuntimeError(type, error?.message ?? String(error))
    wrapped.stack = `${type}: ${error?.stack ?? error}`
    const id = state.requestId
    if (id !== undefined) await api.send([errorRequest(`/invocation/${id}/error`, wrapped)])
    process.exit(128)
  }
  process.on('uncaughtException', error => fatal(error, error?.name ?? 'Error'))
  process.on('unhandledRejection', error => fatal(error, 'Runtime.UnhandledPromiseRejection'))
  process.on('beforeExit', () => state.onEmpty?.())
  let handler
  try {
    handler = await loadHandler(taskRoot, variables._HANDLER)
  } catch (error) {
    await api.send([errorRequest('/init/error', error)])
    process.exit(1)
  }
  await serve(api, handler, state)
}

main()
