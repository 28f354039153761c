import { type ChildProcess, spawn } from 'node:child_process'
import { realpathSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MokaError } from '../../../shared/errors.ts'
import type { Logger } from '../../../shared/logger.ts'
import { tieToParent } from '../../../shared/tied-process.ts'
import type { ProjectUser } from '../../../shared/users/project-users.ts'
import type { ProcessExit } from '../../outcome.ts'
import { hasEnded, signalGroup } from '../../processes/process-group.ts'
import { copyModules } from '../copy-modules.ts'
import type { Runtime, RuntimeProcess, StartRequest } from '../runtime.ts'

const FOLDER = fileURLToPath(new URL('./', import.meta.url))
const BOOTSTRAP = 'bootstrap.cjs'
const MODULES = new Set([BOOTSTRAP, 'warm.mjs'])
/** Output of a dead process may be held open by children of the function: no longer than this. */
const OUTPUT_WAIT_MS = 100

interface Started {
  child: ChildProcess
  memoryMb: number
  uid: number | undefined
}

/**
 * Node, from a process that was started before anybody needed it: it waits, before any function's
 * code, for one line on file descriptor 3 that tells who it is to be. Its heap limit is set at the
 * start and cannot be changed later, nor can its user, so the one kept ready is for the memory size
 * and the user of the last.
 */
export class NodeRuntime implements Runtime {
  readonly #logger: Logger
  readonly #directory: string
  readonly #children = new Set<ChildProcess>()
  #ready: Started | undefined
  #copied: string | undefined

  /** Our modules are copied below `directory`, for users who cannot read the installed ones. */
  constructor(logger: Logger, directory: string) {
    this.#logger = logger
    this.#directory = directory
  }

  async start(request: StartRequest, functionName: string): Promise<RuntimeProcess> {
    const child = this.#takeReady(request) ?? this.#spawn(request, request.variables, true)
    const { pid } = child
    if (pid === undefined) {
      throw new MokaError(
        'FUNCTIONS_NODE_MISSING',
        `cannot start function "${functionName}": "${process.execPath}" does not start`,
      )
    }
    child.stdout?.on('data', chunk => request.onOutput('stdout', chunk))
    child.stderr?.on('data', chunk => request.onOutput('stderr', chunk))
    const control = child.stdio[3] as Socket
    const { taskRoot, variables, apiKey } = request
    control.end(`${JSON.stringify({ taskRoot, variables, apiKey })}\n`)
    return { pid, exited: exitOf(child) }
  }

  programs(): string[] {
    return [realpathSync(process.execPath), this.#modules()]
  }

  prepare(memoryMb: number, user: ProjectUser | undefined, isUrgent: boolean): void {
    if (this.#ready?.memoryMb === memoryMb && this.#ready.uid === user?.uid) return
    this.rest()
    const child = this.#spawn({ memoryMb, user }, {}, isUrgent)
    this.#ready = { child, memoryMb, uid: user?.uid }
    child.once('exit', () => {
      if (this.#ready?.child === child) this.#ready = undefined
    })
  }

  rest(): void {
    const pid = this.#ready?.child.pid
    this.#ready = undefined
    if (pid !== undefined) signalGroup(pid, 'SIGKILL')
  }

  readyPids(): number[] {
    const pid = this.#ready?.child.pid
    return pid === undefined ? [] : [pid]
  }

  async close(): Promise<void> {
    const exits = [...this.#children].map(child => {
      if (child.pid === undefined) return undefined
      const gone = new Promise(resolve => child.once('exit', resolve))
      signalGroup(child.pid, 'SIGKILL')
      return gone
    })
    await Promise.all(exits)
  }

  /** The process kept ready, if it fits: Node reads NODE_* variables at its start only. */
  #takeReady(request: StartRequest): ChildProcess | undefined {
    const ready = this.#ready
    if (ready?.memoryMb !== request.memoryMb || ready.child.pid === undefined) return undefined
    if (ready.uid !== request.user?.uid || hasEnded(ready.child.pid)) return undefined
    if (Object.keys(request.variables).some(isReadAtStart)) return undefined
    this.#ready = undefined
    return ready.child
  }

  #modules(): string {
    this.#copied ??= copyModules(FOLDER, this.#directory, name => MODULES.has(name))
    return this.#copied
  }

  #spawn(
    { memoryMb, user }: { memoryMb: number; user: ProjectUser | undefined },
    variables: Readonly<Record<string, string>>,
    isUrgent: boolean,
  ): ChildProcess {
    // Less than the limit, so that garbage is collected before the kernel kills.
    const heapMb = Math.max(32, Math.floor(memoryMb * 0.9))
    const { command, args } = tieToParent(
      process.execPath,
      [
        `--max-old-space-size=${heapMb}`,
        join(user === undefined ? FOLDER : this.#modules(), BOOTSTRAP),
        isUrgent ? 'now' : 'early',
      ],
      'KILL',
      user === undefined ? [] : ['--no-new-privs'],
    )
    const env: Record<string, string> = {}
    for (const [name, value] of Object.entries(variables)) {
      if (isReadAtStart(name)) env[name] = value
    }
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      detached: true, // a session and process group of its own
      cwd: '/',
      env,
      ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }), // and no other groups
    })
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    child.once('error', error => {
      this.#children.delete(child)
      this.#logger.error('cannot start Node for a function', { error: String(error) })
    })
    child.stdio[3]?.on('error', () => {})
    return child
  }
}

function isReadAtStart(name: string): boolean {
  return name.startsWith('NODE_') || name.startsWith('SSL_CERT') || name.startsWith('LD_')
}

function exitOf(child: ChildProcess): Promise<ProcessExit> {
  return new Promise(resolve => {
    child.once('exit', (code, signal) => {
      const timer = setTimeout(done, OUTPUT_WAIT_MS)
      child.once('close', done)
      function done() {
        clearTimeout(timer)
        child.stdout?.destroy()
        child.stderr?.destroy()
        resolve({ code, signal })
      }
    })
  })
}
