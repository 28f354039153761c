import { type ChildProcess, execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import type { Project } from '../../config/project.ts'
import type { PythonInterpreter } from '../../functions/runtimes/python/interpreter.ts'
import { writeFileAtomic } from '../../shared/atomic-file.ts'
import { MokaError } from '../../shared/errors.ts'

/** A check that takes longer is none: the function will tell. */
const TIMEOUT_MS = 5000
/** Sources come one after the other on stdin, their sizes as arguments. Imports and writes nothing. */
const COMPILE = `
import sys
for index, size in enumerate(sys.argv[1:]):
    source = sys.stdin.buffer.read(int(size))
    try:
        compile(source, '', 'exec', dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, 'lineno', None) or 1
        print(index, line, getattr(error, 'msg', error))
        break
    except Exception:
        pass
`

/**
 * Compiles the entry files of Python functions, as bundling does those in TypeScript, all in one
 * process of 20 ms and only those that it has not seen yet. Throws `DEPLOY_FUNCTION_SYNTAX` with
 * file and line. Without a Python there is no check: where the functions run there may be one.
 */
export async function checkPython(
  { root, functions }: Pick<Project, 'root' | 'functions'>,
  findPython: () => PythonInterpreter | undefined | Promise<PythonInterpreter | undefined> = search,
): Promise<void> {
  const entries = functions.filter(({ runtime }) => runtime === 'python').map(({ entry }) => entry)
  if (entries.length === 0) return
  const python = await findPython()
  if (python === undefined) return
  const files = await Promise.all(
    [...new Set(entries)].map(async path => {
      const source = await readFile(path)
      const hash = createHash('sha256').update(python.version).update('\0').update(source)
      return { path, source, sha256: hash.digest('hex') }
    }),
  )
  const cachePath = join(root, '.moka', 'python-checked.json')
  const known = await readCache(cachePath)
  const news = files.filter(({ sha256 }) => !known.has(sha256))
  if (news.length === 0) return
  const output = await compile(
    python,
    news.map(({ source }) => source),
  )
  if (output === undefined) return
  const [, index = '', line, problem] = /^(\d+) (\d+) (.*)/s.exec(output.trim()) ?? []
  const broken = news[Number(index)]
  if (index !== '' && broken !== undefined) {
    const { name } = functions.find(({ entry }) => entry === broken.path)!
    throw new MokaError(
      'DEPLOY_FUNCTION_SYNTAX',
      `cannot package function "${name}": ${relative(root, broken.path)}, line ${line}: ${problem}`,
      { hint: `nothing was changed; mend it, and deploy again (Python ${python.version} read it)` },
    )
  }
  await mkdir(dirname(cachePath), { recursive: true, mode: 0o700 })
  await writeFileAtomic(cachePath, JSON.stringify(files.map(({ sha256 }) => sha256)))
}

async function search(): Promise<PythonInterpreter | undefined> {
  const { findPython } = await import('../../functions/runtimes/python/interpreter.ts')
  return findPython()
}

/** A missing or unreadable cache is an empty one. */
async function readCache(path: string): Promise<ReadonlySet<unknown>> {
  try {
    const known: unknown = JSON.parse(await readFile(path, 'utf8'))
    return new Set(Array.isArray(known) ? known : [])
  } catch {
    return new Set()
  }
}

/** What it said, or undefined when it could not be run. */
function compile(
  { executable }: PythonInterpreter,
  sources: readonly Buffer[],
): Promise<string | undefined> {
  const sizes = sources.map(({ length }) => String(length))
  const flags = ['-I', '-S', '-B', '-X', 'utf8', '-W', 'ignore']
  return new Promise(resolve => {
    const child: ChildProcess = execFile(
      executable,
      [...flags, '-c', COMPILE, ...sizes],
      { timeout: TIMEOUT_MS, encoding: 'utf8' },
      (error, stdout) => resolve(error === null ? stdout : undefined),
    )
    child.stdin?.on('error', () => {}) // it has ended; its exit says how
    child.stdin?.end(Buffer.concat(sources))
  })
}
