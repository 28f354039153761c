import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Fixture, openFixture } from './fixture.contract.ts'
import { hasPython } from './runtimes/python/interpreter.ts'
import type { FunctionVersion } from './version.ts'

let fixture: Fixture

function run(
  files: Record<string, string>,
  payload: unknown = {},
  settings?: Partial<FunctionVersion>,
) {
  const version = fixture.version(files, { runtime: 'python', ...settings })
  return fixture.functions.invoke(version, payload)
}

describe.skipIf(!hasPython())('Python functions (skipped without Python 3.9)', () => {
  beforeEach(async () => {
    fixture = await openFixture()
  })

  afterEach(() => fixture.close())

  it.each([
    ['a function', { 'index.py': 'def handler(event, context):\n    return {"got": event}\n' }],
    ['a lambda', { 'index.py': 'handler = lambda event, context: {"got": event}' }],
    [
      'something from another file',
      {
        'index.py': 'from lib.run import run as handler\n',
        'lib/__init__.py': '',
        'lib/run.py': 'def run(event, context):\n    return {"got": event}\n',
      },
    ],
    [
      'a module named like one of ours',
      {
        'index.py':
          'import bootstrap, zygote\nhandler = lambda e, c: {"got": bootstrap.f(zygote.g(e))}',
        'bootstrap.py': 'f = lambda x: x',
        'zygote.py': 'g = lambda x: x',
      },
    ],
  ])('may have as handler %s', async (_name, files) => {
    const outcome = await run(files, { a: 'ü' })
    expect(outcome).toMatchObject({ kind: 'success', payload: { got: { a: 'ü' } } })
    expect(fixture.texts('stderr')).toEqual([])
  })

  it('may stand in a folder', async () => {
    const files = { 'api/v1/visits.py': 'def get(event, context):\n    return "deep"\n' }
    expect(await run(files, {}, { handler: 'api/v1/visits.get' })).toMatchObject({
      payload: 'deep',
    })
  })

  it('get Lambda’s context, variables and working directory', async () => {
    const code = `import os, sys, time
def handler(event, context):
    return {"id": context.aws_request_id, "name": context.function_name, "memory": context.memory_limit_in_mb,
            "arn": context.invoked_function_arn, "version": context.function_version,
            "left": context.get_remaining_time_in_millis(), "env": dict(os.environ), "cwd": os.getcwd(),
            "zone": time.tzname[0], "path": sys.path[0], "stdin": sys.stdin.read()}
`
    process.env.MOKA_TOKEN = 'secret'
    const version = fixture.version(
      { 'index.py': code },
      { runtime: 'python', environment: { GREETING: 'hi' } },
    )
    const outcome = await fixture.functions.invoke(version, {}, { requestId: 'request-1' })
    delete process.env.MOKA_TOKEN
    const payload = (outcome as { payload: Record<string, never> }).payload
    expect(payload).toMatchObject({
      id: 'request-1',
      name: 'visits',
      memory: '128',
      arn: 'arn:aws:lambda:us-east-1:000000000000:function:visits',
      version: '$LATEST',
      zone: 'UTC',
      stdin: '',
    })
    const { env, cwd, path, left } = payload as unknown as {
      env: Record<string, string>
      cwd: string
      path: string
      left: number
    }
    expect([cwd, path]).toEqual([env.LAMBDA_TASK_ROOT, env.LAMBDA_TASK_ROOT])
    expect(env).toMatchObject({ GREETING: 'hi', TZ: ':UTC', _HANDLER: 'index.handler' })
    expect(env).not.toHaveProperty('MOKA_TOKEN')
    expect(env.HOME).not.toBe(process.env.HOME ?? '')
    expect(left).toBeGreaterThan(2000)
    expect(left).toBeLessThanOrEqual(20_000)
  })

  it('can import the PostgreSQL driver that comes with the runtime', async () => {
    const code = 'import mokapot\nhandler = lambda event, context: mokapot.__name__'
    expect(await run({ 'index.py': code })).toMatchObject({ payload: 'mokapot' })
  })

  it('start with random numbers of their own', async () => {
    const code = 'import random, os\nhandler = lambda event, context: random.random()'
    const outcomes = [await run({ 'index.py': code }), await run({ 'index.py': `${code}\n` })]
    const numbers = outcomes.map(outcome => outcome.kind === 'success' && outcome.payload)
    expect(numbers[0]).not.toBe(numbers[1])
  })

  it('answer an error with type, message and stack, and log it', async () => {
    const code = `def inner():
    raise KeyError("beans")

def handler(event, context):
    inner()
`
    const outcome = await run({ 'index.py': code })
    expect(outcome).toMatchObject({
      kind: 'error',
      error: {
        errorType: 'KeyError',
        errorMessage: "'beans'",
        stackTrace: [
          expect.stringMatching(/^ {2}File ".*index\.py", line 5, in handler\n {4}inner\(\)\n/),
          expect.stringMatching(
            /^ {2}File ".*index\.py", line 2, in inner\n {4}raise KeyError\("beans"\)\n/,
          ),
        ],
      },
    })
    await fixture.rested()
    expect(fixture.texts('stderr').join('\n')).toMatch(
      /^\[ERROR\] KeyError: 'beans'\nTraceback \(most recent call last\):\n {2}File .*index\.py", line 5/,
    )
  })

  it.each([
    [
      'what has no JSON',
      'handler = lambda e, c: {1, 2}',
      'Runtime.MarshalError',
      'set is not JSON serializable',
    ],
    [
      'an answer over 6 MB',
      'handler = lambda e, c: "x" * 6300000',
      'Function.ResponseSizeTooLarge',
      '6291556 bytes',
    ],
    [
      'an answer that is no JSON number',
      'handler = lambda e, c: float("nan")',
      'Runtime.MalformedResponse',
      'not JSON',
    ],
    [
      'an import that is missing',
      'import nothing_here',
      'Runtime.ImportModuleError',
      "Unable to import module 'index': No module named 'nothing_here'",
    ],
    [
      'a syntax error',
      'def handler(:',
      'Runtime.UserCodeSyntaxError',
      "Syntax error in module 'index'",
    ],
    [
      'a handler that is missing',
      'other = 1',
      'Runtime.HandlerNotFound',
      "Handler 'handler' missing on module 'index'",
    ],
    ['a handler that is no function', 'handler = 1', 'Runtime.HandlerNotFound', 'not callable'],
    ['a module that raises', 'raise ValueError("at load")', 'ValueError', 'at load'],
  ])('name %s', async (_name, code, errorType, message) => {
    expect(await run({ 'index.py': code })).toMatchObject({
      kind: 'error',
      error: { errorType, errorMessage: expect.stringContaining(message) },
    })
  })

  it('end as crashed with sys.exit, their output kept', async () => {
    const code = 'import sys\ndef handler(event, context):\n    print("bye")\n    sys.exit(3)\n'
    const outcome = await run({ 'index.py': code })
    expect(outcome).toMatchObject({
      kind: 'crashed',
      error: { errorMessage: expect.stringMatching(/Runtime exited with error: exit status 3$/) },
    })
    await fixture.rested()
    expect(fixture.texts('stdout')).toEqual(['bye'])
  })

  it('turn decimals to numbers, which DynamoDB’s clients answer with', async () => {
    const code = 'from decimal import Decimal\nhandler = lambda e, c: {"n": Decimal("1.5")}'
    expect(await run({ 'index.py': code })).toMatchObject({ payload: { n: 1.5 } })
  })

  it('have printed and logged lines with their request', async () => {
    const code = `import logging, sys
logger = logging.getLogger()
logger.setLevel("INFO")
print("init")
def handler(event, context):
    print("hello")
    print("problem", file=sys.stderr)
    logger.info("noted")
    print("no end", end="")
`
    const version = fixture.version({ 'index.py': code }, { runtime: 'python' })
    // Once with a zygote that has just started, once with one that has loaded `logging` before.
    for (const requestId of ['r-1', 'r-2']) {
      await fixture.functions.invoke({ ...version, id: requestId }, {}, { requestId })
      await fixture.rested()
      const own = fixture.entries.filter(entry => entry.requestId === requestId)
      expect(own.filter(entry => entry.stream === 'stdout').map(entry => entry.text)).toEqual([
        'hello',
        expect.stringMatching(new RegExp(`^\\[INFO\\]\\t\\d{4}-.*Z\\t${requestId}\\tnoted$`)),
        'no end',
      ])
      expect(own.filter(entry => entry.stream === 'stderr').map(entry => entry.text)).toEqual([
        'problem',
      ])
      expect(own.at(-1)?.text).toMatch(/^REPORT RequestId: .*Init Duration/)
    }
    const init = fixture.entries.filter(entry => entry.text === 'init')
    expect(init.map(entry => entry.requestId)).toEqual([undefined, undefined])
  })

  it('may print what is not UTF-8 and not lose a word', async () => {
    const code = 'def handler(event, context):\n    print("caf\\u00e9 \\udc80")\n'
    await run({ 'index.py': code })
    await fixture.rested()
    expect(fixture.texts('stdout')).toEqual(['café \\udc80'])
  })
})
