import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MokaError } from '../../../shared/errors.ts'
import type { Logger } from '../../../shared/logger.ts'
import { tieToParent } from '../../../shared/tied-process.ts'
import type { ProcessExit } from '../../outcome.ts'
import { hasEnded, signalGroup } from '../../processes/process-group.ts'
import { copyModules } from '../copy-modules.ts'
import type { Runtime, RuntimeProcess, StartRequest } from '../runtime.ts'
import { filesOf, type PythonInterpreter } from './interpreter.ts'

const FOLDER = dirname(fileURLToPath(new URL('./mokapot_zygote.py', import.meta.url)))
const START =
  'import sys; sys.path.insert(0, sys.argv[1]); import mokapot_zygote; mokapot_zygote.main()'
/** Output of a dead process may be held open by children of the function: no longer than this. */
const OUTPUT_WAIT_MS = 100

export interface PythonRuntimeOptions {
  /** Short path of a folder that only we can enter, for the socket that output comes through. */
  socketDirectory: string
  /** Our modules are copied below it, since Python keeps their compiled form beside them. */
  directory: string
  findPython: () => PythonInterpreter | undefined
  logger: Logger
}

/** A process that the zygote was asked to fork. */
interface Fork {
  zygote: ChildProcess
  /** What it is to become, as JSON. */
  request: string
  onOutput: StartRequest['onOutput']
  started: (pid: number) => void
  failed: (error: Error) => void
  exited: (exit: ProcessExit) => void
  openStreams: number
  exit?: ProcessExit
}

/**
 * Python, forked from a zygote: an interpreter that has loaded what is costly and then waits. The
 * zygote is the parent of all Python environments and takes them with it when it ends.
 */
export class PythonRuntime implements Runtime {
  readonly #options: PythonRuntimeOptions
  readonly #forks = new Map<string, Fork>()
  readonly #byPid = new Map<number, Fork>()
  #zygote: ChildProcess | undefined
  #copied: string | undefined
  #isResting = false
  #outputs: Promise<Server> | undefined
  readonly #sockets = new Set<Socket>()

  constructor(options: PythonRuntimeOptions) {
    this.#options = options
  }

  async start(request: StartRequest, functionName: string): Promise<RuntimeProcess> {
    this.#isResting = false
    // One that was killed a moment ago can become nothing; that we are told so may take a while.
    if (this.#zygote?.pid !== undefined && hasEnded(this.#zygote.pid)) this.#zygote = undefined
    const zygote = this.#zygote ?? this.#spawn(functionName)
    await this.#listen()
    const token = randomBytes(16).toString('hex')
    const { taskRoot, variables, apiKey, user } = request
    return new Promise((resolve, reject) => {
      const exited = new Promise<ProcessExit>(exitedWith => {
        const started = (pid: number) => resolve({ pid, exited })
        this.#forks.set(token, {
          zygote,
          request: JSON.stringify({ taskRoot, variables, apiKey, user }),
          onOutput: request.onOutput,
          started,
          failed: reject,
          exited: exitedWith,
          openStreams: 0,
        })
      })
      if (zygote.exitCode !== null || zygote.signalCode !== null || this.#zygote !== zygote) {
        this.#forks.delete(token)
        reject(zygoteEnded())
        return
      }
      zygote.stdin?.write(`${token} ${join(this.#options.socketDirectory, 'output')}\n`)
    })
  }

  programs(): string[] {
    const python = this.#options.findPython()
    return python === undefined ? [] : [...filesOf(python), this.#modules()]
  }

  prepare(): void {
    if (this.#zygote !== undefined) return
    try {
      this.#spawn('')
    } catch {} // the start that follows says what is wrong
  }

  rest(): void {
    // It would take its children along: then when the last of them has gone.
    this.#isResting = this.#forks.size > 0
    if (!this.#isResting) this.#end()
  }

  readyPids(): number[] {
    const pid = this.#zygote?.pid
    return pid === undefined ? [] : [pid]
  }

  async close(): Promise<void> {
    const zygote = this.#zygote
    if (zygote !== undefined && zygote.pid !== undefined) {
      const gone = new Promise(resolve => zygote.once('exit', resolve))
      for (const pid of this.#byPid.keys()) signalGroup(pid, 'SIGKILL')
      this.#end()
      await gone
    }
    for (const socket of this.#sockets) socket.destroy()
    const server = await this.#outputs?.catch(() => undefined)
    await new Promise<void>(resolve =>
      server === undefined ? resolve() : server.close(() => resolve()),
    )
  }

  #end(): void {
    const pid = this.#zygote?.pid
    this.#zygote = undefined
    if (pid !== undefined) signalGroup(pid, 'SIGKILL')
  }

  #spawn(functionName: string): ChildProcess {
    const python = this.#options.findPython()
    if (python === undefined) {
      throw new MokaError(
        'FUNCTIONS_PYTHON_MISSING',
        `cannot start function "${functionName}": there is no Python 3.9 or newer on the PATH`,
        { hint: 'install Python 3 (python.org), or write the function for Node' },
      )
    }
    const { command, args } = tieToParent(python.executable, [
      ...['-I', '-S', '-X', 'utf8', '-c', START],
      this.#modules(),
    ])
    const zygote = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      cwd: '/',
      env: {},
    })
    this.#zygote = zygote
    zygote.stdin?.on('error', () => {})
    zygote.once('error', () => this.#zygoteEnded(zygote))
    zygote.once('exit', () => this.#zygoteEnded(zygote))
    let rest = ''
    zygote.stdout?.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString('latin1')).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) this.#notice(line)
    })
    zygote.stderr?.on('data', (chunk: Buffer) => {
      this.#options.logger.warn('Python zygote', { text: chunk.toString('utf8').trimEnd() })
    })
    return zygote
  }

  #modules(): string {
    this.#copied ??= copyModules(FOLDER, this.#options.directory, name => name.endsWith('.py'))
    return this.#copied
  }

  /** `forked TOKEN PID`, or `exited PID CODE` with the code negative for a signal. */
  #notice(line: string): void {
    const [word, first = '', second = ''] = line.split(' ')
    if (word === 'forked') {
      const fork = this.#forks.get(first)
      if (fork === undefined) return
      this.#byPid.set(Number(second), fork)
      fork.started(Number(second))
    } else if (word === 'failed') {
      this.#forks.get(first)?.failed(new Error(`cannot fork: error ${second}`))
      this.#forks.delete(first)
    } else if (word === 'exited') {
      const code = Number(second)
      this.#exited(
        Number(first),
        code < 0 ? { code: null, signal: signalName(-code) } : { code, signal: null },
      )
    }
  }

  #exited(pid: number, exit: ProcessExit): void {
    const fork = this.#byPid.get(pid)
    if (fork === undefined) return
    this.#byPid.delete(pid)
    fork.exit = exit
    if (fork.openStreams === 0) this.#finish(fork)
    else setTimeout(() => this.#finish(fork), OUTPUT_WAIT_MS)
  }

  #finish(fork: Fork): void {
    if (fork.exit === undefined) return
    for (const [token, candidate] of this.#forks) {
      if (candidate === fork) this.#forks.delete(token)
    }
    fork.exited(fork.exit)
    if (this.#isResting) this.rest()
  }

  #zygoteEnded(zygote: ChildProcess): void {
    if (this.#zygote === zygote) this.#zygote = undefined
    // Its children alone: another may have taken its place before its end was noticed.
    for (const [pid, fork] of [...this.#byPid]) {
      if (fork.zygote === zygote) this.#exited(pid, { code: null, signal: 'SIGKILL' })
    }
    for (const [token, fork] of [...this.#forks]) {
      if (fork.zygote !== zygote || fork.exit !== undefined) continue
      this.#forks.delete(token)
      fork.failed(zygoteEnded())
    }
  }

  /**
   * Forks connect here once for each of their two output streams, and say which in a first line.
   * By the first they are told what to become: in the zygote's memory, which all forks have a copy
   * of, no function's variables are to be found.
   */
  #listen(): Promise<Server> {
    this.#outputs ??= new Promise<Server>((resolve, reject) => {
      const server = createServer(socket => this.#accept(socket))
      server.once('error', reject)
      server.listen(join(this.#options.socketDirectory, 'output'), () => resolve(server))
    })
    return this.#outputs
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    let fork: Fork | undefined
    let stream: 'stdout' | 'stderr' = 'stdout'
    let head = Buffer.alloc(0)
    socket.on('data', chunk => {
      if (fork !== undefined) return fork.onOutput(stream, chunk)
      head = Buffer.concat([head, chunk])
      const end = head.indexOf(10)
      if (end === -1) {
        if (head.length > 64) socket.destroy()
        return
      }
      const [token = '', name] = head.toString('latin1', 0, end).split(' ')
      fork = this.#forks.get(token)
      if (fork === undefined) return void socket.destroy()
      fork.openStreams++
      stream = name === 'stderr' ? 'stderr' : 'stdout'
      if (stream === 'stdout') {
        socket.write(`${fork.request}\n`)
        fork.request = ''
      }
      if (end + 1 < head.length) fork.onOutput(stream, head.subarray(end + 1))
    })
    socket.on('close', () => {
      this.#sockets.delete(socket)
      if (fork !== undefined && --fork.openStreams === 0 && fork.exit !== undefined)
        this.#finish(fork)
    })
  }
}

function zygoteEnded(): MokaError {
  return new MokaError(
    'FUNCTIONS_PYTHON_FAILED',
    'cannot start a Python function: the interpreter that was to become it has ended',
    { hint: 'call it again; if that fails too, see whether "python3 -I -S" starts' },
  )
}

const SIGNALS: Readonly<Record<number, string>> = {
  2: 'SIGINT',
  4: 'SIGILL',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  15: 'SIGTERM',
}

function signalName(number: number): string {
  return SIGNALS[number] ?? `signal ${number}`
}
