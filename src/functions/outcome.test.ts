import { describe, expect, it } from 'vitest'
import { exitError, formatFunctionError, parseFunctionError, timeoutError } from './outcome.ts'

describe('errors in Lambda’s words', () => {
  it.each([
    [{ code: 0, signal: null }, 'RequestId: r Error: Runtime exited without providing a reason'],
    [{ code: 3, signal: null }, 'RequestId: r Error: Runtime exited with error: exit status 3'],
    [
      { code: null, signal: 'SIGKILL' },
      'RequestId: r Error: Runtime exited with error: signal: killed',
    ],
    [
      { code: null, signal: 'SIGSEGV' },
      'RequestId: r Error: Runtime exited with error: signal: segmentation fault',
    ],
  ])('says how a process ended: %j', (exit, errorMessage) => {
    expect(exitError('r', exit)).toEqual({ errorType: 'Runtime.ExitError', errorMessage })
  })

  it('tells a process that wanted too much memory', () => {
    const error = exitError('r', { code: null, signal: 'SIGKILL' }, true)
    expect(error.errorType).toBe('Runtime.OutOfMemory')
  })

  it('says after how long a task timed out', () => {
    expect(timeoutError('r', 3000, 0).errorMessage).toBe(
      '1970-01-01T00:00:00.000Z r Task timed out after 3.00 seconds',
    )
  })
})

describe('parseFunctionError', () => {
  it('keeps Lambda’s fields and nothing else', () => {
    const error = { errorMessage: 'no', errorType: 'ValueError', stackTrace: ['a', 1], extra: 1 }
    expect(parseFunctionError(JSON.stringify(error), undefined)).toEqual({
      errorMessage: 'no',
      errorType: 'ValueError',
      stackTrace: ['a', '1'],
    })
  })

  it.each(['', 'not json', '[]', 'null', '"text"', '{"errorType":7}'])(
    'makes do with %j and the type in the header',
    body => {
      expect(parseFunctionError(body, 'Runtime.Odd').errorType).toBe('Runtime.Odd')
    },
  )
})

describe('formatFunctionError', () => {
  it('prints Python’s stack as Python does', () => {
    const stackTrace = [
      '  File "a.py", line 1, in f\n    g()\n',
      '  File "a.py", line 4, in g\n    x\n',
    ]
    expect(formatFunctionError({ errorType: 'NameError', errorMessage: 'x', stackTrace })).toBe(
      '[ERROR] NameError: x\nTraceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\n  File "a.py", line 4, in g\n    x',
    )
  })

  it('prints Node’s stack without saying its head twice', () => {
    const trace = ['TypeError: x', '    at f (a.js:1:2)']
    expect(formatFunctionError({ errorType: 'TypeError', errorMessage: 'x', trace })).toBe(
      '[ERROR] TypeError: x\n    at f (a.js:1:2)',
    )
  })
})
