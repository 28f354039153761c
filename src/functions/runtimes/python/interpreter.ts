import { execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync, realpathSync } from 'node:fs'
import { basename, delimiter, dirname, join } from 'node:path'
import { isReachableByAll } from '../../../shared/users/project-users.ts'

export interface PythonInterpreter {
  /** The interpreter itself, not a shim that looks for it at each start. */
  executable: string
  /** `3.11`, or `3.11.7` where it had to be asked. */
  version: string
}

const NAMES = ['python3', 'python', ...[14, 13, 12, 11, 10, 9].map(minor => `python3.${minor}`)]
const PROBE =
  "import sys; print(sys.executable, '.'.join(map(str, sys.version_info[:3])), sep='\\n')"

const found = new Map<string, PythonInterpreter | undefined>()
const probed = new Map<string, PythonInterpreter | undefined>()

/**
 * The first Python on the PATH that is new enough, or undefined. Looked for once per process. One
 * whose file name does not tell its version is started to ask it, 15 ms.
 */
export function findPython(minimum = '3.9'): PythonInterpreter | undefined {
  if (!found.has(minimum)) found.set(minimum, search(minimum, process.env.PATH ?? ''))
  return found.get(minimum)
}

/** `findPython`, but rather one that every user can run than one that stands before it. */
export function findPublicPython(minimum = '3.9'): PythonInterpreter | undefined {
  const isPublic = (python: PythonInterpreter) => filesOf(python).every(isReachableByAll)
  return search(minimum, process.env.PATH ?? '', isPublic) ?? findPython(minimum)
}

/** Whether this machine has a Python that can run functions. For use in moka.config.ts. */
export function hasPython(minimum = '3.9'): boolean {
  return findPython(minimum) !== undefined
}

/** Compares dotted numbers: 3.10 is newer than 3.9. */
export function isAtLeast(version: string, minimum: string): boolean {
  const numbers = version.split('.').map(Number)
  for (const [index, wanted] of minimum.split('.').map(Number).entries()) {
    const have = numbers[index] ?? 0
    if (have !== wanted) return have > wanted
  }
  return true
}

/** The interpreter and, unless it was built in an unusual way, a file of its standard library. */
export function filesOf({ executable }: PythonInterpreter): string[] {
  const library = join(dirname(dirname(executable)), 'lib', basename(executable), 'os.py')
  return existsSync(library) ? [executable, library] : [executable]
}

/** `findPython` without its memory, on a PATH of the caller's. */
export function search(
  minimum: string,
  path: string,
  isUsable: (python: PythonInterpreter) => boolean = () => true,
): PythonInterpreter | undefined {
  const folders = path.split(delimiter).filter(folder => folder !== '')
  for (const name of NAMES) {
    for (const folder of folders) {
      const candidate = join(folder, name)
      if (!isExecutable(candidate)) continue
      const python = probe(behindShim(candidate) ?? candidate)
      if (python === undefined || !isAtLeast(python.version, minimum)) continue
      if (isUsable(python)) return python
    }
  }
  return undefined
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function probe(command: string): PythonInterpreter | undefined {
  if (!probed.has(command)) probed.set(command, byName(command) ?? ask(command))
  return probed.get(command)
}

/** Installations link `python3` to `python3.11`: the name says enough, and costs no process. */
function byName(command: string): PythonInterpreter | undefined {
  try {
    const executable = realpathSync(command)
    const version = /\/python(3\.\d+)$/.exec(executable)?.[1]
    return version === undefined ? undefined : { executable, version }
  } catch {
    return undefined
  }
}

function ask(command: string): PythonInterpreter | undefined {
  try {
    const output = execFileSync(command, ['-I', '-S', '-c', PROBE], {
      encoding: 'utf8',
      timeout: 5000,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const [executable, version] = output.trim().split('\n')
    if (executable === undefined || executable === '' || version === undefined) return undefined
    return { executable, version }
  } catch {
    return undefined // not a Python, or a shim without a version behind it
  }
}

/**
 * What a pyenv shim would start, found without starting it, which takes 135 ms: the version that
 * PYENV_VERSION, the nearest .python-version or pyenv's global file names (pyenv-version-file(1)).
 */
function behindShim(shim: string): string | undefined {
  const folder = dirname(shim)
  if (!folder.endsWith('/shims')) return undefined
  const root = dirname(folder)
  const names = process.env.PYENV_VERSION?.split(':') ?? versionFile(root)
  for (const name of names) {
    const executable = join(root, 'versions', name, 'bin', 'python3')
    if (/^[\w.-]+$/.test(name) && isExecutable(executable)) return executable
  }
  return undefined
}

function versionFile(root: string): string[] {
  const places: string[] = []
  for (let folder = process.cwd(); ; folder = dirname(folder)) {
    places.push(join(folder, '.python-version'))
    if (folder === dirname(folder)) break
  }
  for (const place of [...places, join(root, 'version')]) {
    try {
      return readFileSync(place, 'utf8').split(/\s+/).filter(Boolean)
    } catch {}
  }
  return []
}
