import { userInfo } from 'node:os'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Fixture, openFixture } from './fixture.contract.ts'
import type { FunctionVersion } from './version.ts'

let fixture: Fixture

beforeEach(async () => {
  fixture = await openFixture()
})

afterEach(() => fixture.close())

function run(
  files: Record<string, string>,
  payload: unknown = {},
  settings?: Partial<FunctionVersion>,
) {
  return fixture.functions.invoke(fixture.version(files, settings), payload)
}

describe('handlers', () => {
  it.each([
    [
      'an async function in a module',
      { 'index.mjs': 'export const handler = async e => ({ got: e })' },
    ],
    ['an async function in CommonJS', { 'index.cjs': 'exports.handler = async e => ({ got: e })' }],
    [
      '.js without package.json, CommonJS',
      { 'index.js': 'exports.handler = async e => ({ got: e })' },
    ],
    [
      '.js without package.json, a module',
      { 'index.js': 'export const handler = async e => ({ got: e })' },
    ],
    [
      '.js in a package of type module',
      {
        'index.js': 'export const handler = async e => ({ got: e })',
        'package.json': '{"type":"module"}',
      },
    ],
    [
      '.js in a package of type commonjs',
      {
        'index.js': 'exports.handler = async e => ({ got: e })',
        'package.json': '{"type":"commonjs"}',
      },
    ],
    [
      'module.exports as a whole',
      { 'index.js': 'module.exports = { handler: async e => ({ got: e }) }' },
    ],
    [
      'a callback',
      { 'index.js': 'exports.handler = (e, c, callback) => callback(null, { got: e })' },
    ],
    [
      'a late callback',
      { 'index.js': 'exports.handler = (e, c, cb) => void setTimeout(cb, 5, null, { got: e })' },
    ],
    [
      'context.succeed',
      { 'index.js': 'exports.handler = (e, context) => context.succeed({ got: e })' },
    ],
    [
      'a thenable',
      { 'index.js': 'exports.handler = e => ({ then: resolve => resolve({ got: e }) })' },
    ],
    [
      'several files',
      {
        'index.mjs': "export { run as handler } from './lib/run.mjs'",
        'lib/run.mjs': 'export const run = async e => ({ got: e })',
      },
    ],
  ])('may be %s', async (_name, files) => {
    expect(await run(files, { a: 1 })).toMatchObject({
      kind: 'success',
      payload: { got: { a: 1 } },
    })
    expect(fixture.texts('stderr')).toEqual([])
  })

  it('may stand in a folder and deep in an export', async () => {
    const files = {
      'api/v1/visits.mjs': 'export const routes = { get: { run: async () => "deep" } }',
    }
    const outcome = await run(files, {}, { handler: 'api/v1/visits.routes.get.run' })
    expect(outcome).toMatchObject({ kind: 'success', payload: 'deep' })
  })

  it('answer null when they return nothing, or a plain function returns without its callback', async () => {
    expect(await run({ 'index.mjs': 'export const handler = async () => {}' })).toMatchObject({
      payload: null,
    })
    // Lambda ignores what a function without a promise returns.
    expect(await run({ 'index.js': 'exports.handler = () => 7' })).toMatchObject({ payload: null })
  })

  it('have their answer wait for the event loop with a callback, unless they say otherwise', async () => {
    const late = `exports.handler = (e, context, callback) => {
      context.callbackWaitsForEmptyEventLoop = e.waits
      const result = { timers: 0 }
      setTimeout(() => result.timers++, 30)
      callback(null, result)
    }`
    expect(await run({ 'index.js': late }, { waits: true })).toMatchObject({
      payload: { timers: 1 },
    })
    expect(await run({ 'index.js': late }, { waits: false })).toMatchObject({
      payload: { timers: 0 },
    })
  })

  it('get Lambda’s context', async () => {
    const code = `export const handler = async (event, context) => ({
      ...context, left: context.getRemainingTimeInMillis(), env: process.env, cwd: process.cwd() })`
    const version = fixture.version(
      { 'index.mjs': code },
      { environment: { GREETING: 'hi', TZ: 'Europe/Vienna' } },
    )
    const outcome = await fixture.functions.invoke(version, {}, { requestId: 'request-1' })
    const payload = outcome.kind === 'success' && (outcome.payload as Record<string, unknown>)
    expect(payload).toMatchObject({
      functionName: 'visits',
      functionVersion: '$LATEST',
      memoryLimitInMB: '128',
      awsRequestId: 'request-1',
      invokedFunctionArn: 'arn:aws:lambda:us-east-1:000000000000:function:visits',
      logGroupName: '/aws/lambda/visits',
    })
    const { left, env, cwd } = payload as { left: number; env: Record<string, string>; cwd: string }
    expect(left).toBeGreaterThan(2000)
    expect(left).toBeLessThanOrEqual(20_000)
    expect(cwd).toBe(env.LAMBDA_TASK_ROOT)
    expect(env).toMatchObject({ GREETING: 'hi', TZ: 'Europe/Vienna', _HANDLER: 'index.handler' })
  })

  it('see only the variables that are theirs', async () => {
    process.env.MOKA_TOKEN = 'secret'
    try {
      const outcome = await run({
        'index.mjs': 'export const handler = async () => Object.keys(process.env).sort()',
      })
      const { uid } = userInfo() // root's functions are other users, with a home
      const [home, temporary] = uid === 0 ? [['HOME'], ['TMPDIR']] : [[], []]
      expect(outcome).toMatchObject({
        payload: [
          'AWS_DEFAULT_REGION',
          'AWS_EXECUTION_ENV',
          'AWS_LAMBDA_FUNCTION_MEMORY_SIZE',
          'AWS_LAMBDA_FUNCTION_NAME',
          'AWS_LAMBDA_FUNCTION_VERSION',
          'AWS_LAMBDA_INITIALIZATION_TYPE',
          'AWS_LAMBDA_LOG_GROUP_NAME',
          'AWS_LAMBDA_LOG_STREAM_NAME',
          'AWS_LAMBDA_RUNTIME_API',
          'AWS_REGION',
          ...home,
          'LAMBDA_TASK_ROOT',
          'LANG',
          'PATH',
          ...temporary,
          'TZ',
          '_HANDLER',
          '_X_AMZN_TRACE_ID',
        ],
      })
    } finally {
      delete process.env.MOKA_TOKEN
    }
  })

  it('get NODE_OPTIONS, which Node reads at its start only', async () => {
    const files = { 'index.mjs': 'export const handler = async () => typeof gc' }
    const environment = { NODE_OPTIONS: '--expose-gc' }
    expect(await run(files)).toMatchObject({ payload: 'undefined' })
    expect(await run(files, {}, { environment })).toMatchObject({ payload: 'function' })
  })
})

describe('errors', () => {
  it('come with type, message and stack, and are logged with it', async () => {
    const code = `class OutOfCoffee extends Error { name = 'OutOfCoffee' }
      export const handler = async () => { throw new OutOfCoffee('again') }`
    const outcome = await run({ 'index.mjs': code })
    expect(outcome).toMatchObject({
      kind: 'error',
      error: { errorType: 'OutOfCoffee', errorMessage: 'again' },
    })
    const { trace } = (outcome as unknown as { error: { trace: string[] } }).error
    expect(trace.join('\n')).toMatch(/^OutOfCoffee: again\n {4}at handler .*index\.mjs:2/)
    await fixture.rested()
    expect(fixture.texts('stderr').join('\n')).toMatch(
      /^\[ERROR\] OutOfCoffee: again\n {4}at handler/,
    )
  })

  it.each([
    [
      'a callback’s error',
      'exports.handler = (e, c, callback) => callback(new TypeError("no"))',
      'TypeError',
      'no',
    ],
    ['a thrown string', 'exports.handler = async () => { throw "no" }', 'string', 'no'],
    [
      'what has no JSON',
      'exports.handler = async () => ({ n: 1n })',
      'Runtime.MarshalError',
      'Unable to stringify',
    ],
    [
      'an exception outside the handler',
      'exports.handler = () => void setTimeout(() => { throw new RangeError("late") })',
      'RangeError',
      'late',
    ],
    [
      'a rejection nobody handles',
      'exports.handler = () => void Promise.reject(new Error("lost"))',
      'Runtime.UnhandledPromiseRejection',
      'lost',
    ],
    [
      'an answer over 6 MB',
      'exports.handler = async () => "x".repeat(6300000)',
      'Function.ResponseSizeTooLarge',
      '6291556 bytes',
    ],
  ])('name %s', async (_name, code, errorType, message) => {
    const outcome = await run({ 'index.js': code })
    expect(outcome).toMatchObject({
      kind: 'error',
      error: { errorType, errorMessage: expect.stringContaining(message) },
    })
  })

  it.each([
    ['a module that is missing', {}, 'Runtime.ImportModuleError', "Cannot find module 'index'"],
    [
      'an import that is missing',
      { 'index.mjs': "import 'nothing'" },
      'Runtime.ImportModuleError',
      'nothing',
    ],
    [
      'a syntax error',
      { 'index.mjs': 'export const = 1' },
      'Runtime.UserCodeSyntaxError',
      'SyntaxError',
    ],
    [
      'an export that is missing',
      { 'index.mjs': 'export const other = 1' },
      'Runtime.HandlerNotFound',
      'index.handler is undefined',
    ],
    [
      'an export that is no function',
      { 'index.mjs': 'export const handler = 1' },
      'Runtime.HandlerNotFound',
      'is not a function',
    ],
    [
      'a module that throws',
      { 'index.mjs': 'throw new TypeError("at load")' },
      'TypeError',
      'at load',
    ],
  ])('at init name %s', async (_name, files, errorType, message) => {
    const outcome = await run({ 'x.txt': '', ...files })
    expect(outcome).toMatchObject({
      kind: 'error',
      error: { errorType, errorMessage: expect.stringContaining(message) },
      initMs: expect.any(Number),
    })
    expect(fixture.texts('stderr').join('\n')).toContain(message)
  })

  it.each(['index', '../../etc/passwd.handler', '.handler', 'index.'])(
    'name a handler written %j',
    async handler => {
      const outcome = await run({ 'index.mjs': 'export const handler = 1' }, {}, { handler })
      expect(outcome).toMatchObject({
        kind: 'error',
        error: { errorType: expect.stringMatching(/^Runtime\./) },
      })
    },
  )

  it('leave the environment usable', async () => {
    const version = fixture.version({
      'index.mjs':
        'let n = 0; export const handler = async e => { n++; if (e.fail) throw new Error("x"); return n }',
    })
    await fixture.functions.invoke(version, { fail: true })
    await fixture.rested()
    expect(await fixture.functions.invoke(version, {})).toMatchObject({ payload: 2 })
  })
})

describe('logs', () => {
  it('have every line with its request, between START and REPORT', async () => {
    const code = `console.log('init')
      export const handler = async () => { console.log('out\\nsecond'); console.error('err'); process.stdout.write('no end') }`
    const version = fixture.version({ 'index.mjs': code })
    await fixture.functions.invoke(version, {}, { requestId: 'r-1' })
    await fixture.rested()
    const lines = fixture.entries.map(entry => [entry.requestId, entry.stream, entry.text])
    expect(lines[0]).toEqual([undefined, 'stdout', 'init'])
    expect(lines[1]).toEqual(['r-1', 'platform', 'START RequestId: r-1 Version: $LATEST'])
    const own = lines.slice(2, -2).map(line => line.slice(0, 3))
    expect(own).toContainEqual(['r-1', 'stderr', 'err'])
    expect(own.filter(line => line[1] === 'stdout')).toEqual([
      ['r-1', 'stdout', 'out'],
      ['r-1', 'stdout', 'second'],
      ['r-1', 'stdout', 'no end'],
    ])
    expect(lines.at(-2)).toEqual(['r-1', 'platform', 'END RequestId: r-1'])
    expect(lines.at(-1)?.[2]).toMatch(
      /^REPORT RequestId: r-1\tDuration: [\d.]+ ms\tMemory Size: 128 MB\t(Max Memory Used: \d+ MB\t)?Init Duration: [\d.]+ ms$/,
    )
  })

  it('are whole however much is printed', async () => {
    const code =
      "export const handler = async () => { for (let i = 0; i < 20000; i++) console.log('line ' + i + ' ' + 'x'.repeat(50)) }"
    await run({ 'index.mjs': code })
    await fixture.rested()
    const texts = fixture.texts('stdout')
    expect(texts).toHaveLength(20_000)
    expect(texts.at(-1)).toMatch(/^line 19999 x+$/)
    expect(fixture.texts('platform').at(-1)).toMatch(/^REPORT/)
  })
})
