import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ProjectFunction } from '../../config/project.ts'
import { findPython } from '../../functions/runtimes/python/interpreter.ts'
import { checkPython } from './check-python.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'moka-python-'))
})
afterEach(() => rm(root, { recursive: true }))

const GOOD = 'def handler(event, context):\n    return 1\n'

async function project(sources: Record<string, string | Uint8Array>) {
  await mkdir(join(root, 'functions'), { recursive: true })
  const functions: ProjectFunction[] = []
  for (const [name, source] of Object.entries(sources)) {
    const entry = join(root, 'functions', `${name}.py`)
    await writeFile(entry, source)
    const runtime = 'python'
    functions.push({
      ...{ name, runtime, entry, handler: 'handler', routes: [] },
      ...{ timeoutMs: 1000, memoryMb: 128, environment: {} },
    })
  }
  return { root, functions }
}

describe.skipIf(findPython() === undefined)('a Python function', () => {
  it('that compiles passes, and makes no compiled file beside it', async () => {
    await checkPython(await project({ a: GOOD, b: '# -*- coding: latin-1 -*-\nx = 1\n' }))
    await expect(readFile(join(root, 'functions/__pycache__'))).rejects.toThrow('ENOENT')
  })

  it.each([
    [
      'a missing colon',
      'def handler(event, context)\n    return 1\n',
      1,
      /expected ':'|invalid syntax/,
    ],
    ['a bad indent', `${GOOD}  x = 1\n`, 3, 'unindent does not match any outer indentation level'],
    ['a NUL', 'x = 1\n\0\n', 1, 'source code'],
    ['a curly quote', 'x = 1\nprint(“a”)\n', 2, "invalid character '“'"],
  ])('with %s is refused with file and line', async (_, source, line, problem) => {
    const broken = await project({ good: GOOD, item: source })
    for (const _again of [1, 2]) {
      await expect(checkPython(broken)).rejects.toMatchObject({
        code: 'DEPLOY_FUNCTION_SYNTAX',
        message: expect.stringMatching(
          new RegExp(`^cannot package function "item": functions/item\\.py, line ${line}: `),
        ),
      })
      await expect(checkPython(broken)).rejects.toThrow(problem)
    }
  })

  it('that has not changed is not compiled again', async () => {
    const python = { ...findPython()! }
    const same = await project({ a: GOOD })
    await checkPython(same, () => python)
    const run = vi.fn(() => '/nonexistent/python')
    Object.defineProperty(python, 'executable', { get: run })
    await checkPython(same, () => python)
    expect(run).not.toHaveBeenCalled()
    await checkPython(await project({ a: `${GOOD}\n` }), () => python)
    expect(run).toHaveBeenCalled()
  })
})

it('without a Python there is no check', async () => {
  await checkPython(await project({ a: 'def' }), () => undefined)
  await checkPython(await project({ a: 'def' }), () => ({
    executable: '/nonexistent/python',
    version: '3.11',
  }))
})
