import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { unzipSync } from 'fflate'

export interface LambdaCode {
  runtime: 'node' | 'python'
  handler: string
  archive: Uint8Array
  /** The function's own variables. */
  environment?: Readonly<Record<string, string>>
  /** Files in place of the archive's. */
  files?: Readonly<Record<string, string | Uint8Array>>
}

export interface LambdaAnswer {
  /** What the function returned, or Lambda's shape of an error. */
  payload: unknown
  isError: boolean
  requestId: string
  /** What it wrote meanwhile. */
  log: string
}

/** One execution environment: a process that has the archive's files and variables as on Lambda. */
export interface LambdaEnvironment {
  invoke(event: unknown, timeoutMs?: number): Promise<LambdaAnswer>
  close(): Promise<void>
}

const RUNNERS = {
  node: [process.execPath, fileURLToPath(new URL('run-node.mjs', import.meta.url))],
  python: ['python3', fileURLToPath(new URL('run_python.py', import.meta.url))],
} as const

/** Keys that every environment signs with, as a role's would be. */
export const LAMBDA_KEYS = {
  accessKeyId: 'ASIALAMBDA',
  secretAccessKey: 'lambda-secret',
  sessionToken: 'lambda-session+token/==',
}

/**
 * Runs the very archive that goes to Lambda, by this machine's Node or Python. `/var/task` in its
 * variables is the folder that it is unpacked to. `invoke` answers an error where loading it failed.
 */
export async function startLambda(
  { runtime, handler, archive, environment = {}, files = {} }: LambdaCode,
  region = 'eu-central-1',
): Promise<LambdaEnvironment> {
  const root = await mkdtemp(join(tmpdir(), 'lambda-'))
  for (const [path, content] of Object.entries({ ...unzipSync(archive), ...files })) {
    if (path.endsWith('/')) continue
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), content)
  }
  const own = Object.entries(environment).map(([name, value]) => [
    name,
    value.replaceAll('/var/task', root),
  ])
  const [program, script] = RUNNERS[runtime]
  const child = spawn(program, [script], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      ...Object.fromEntries(own),
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: LAMBDA_KEYS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: LAMBDA_KEYS.secretAccessKey,
      AWS_SESSION_TOKEN: LAMBDA_KEYS.sessionToken,
      LAMBDA_TASK_ROOT: root,
      _HANDLER: handler,
    },
  })
  const outputs = [new Output(child.stdout!), new Output(child.stderr!)]
  const logSince = (before: readonly number[]) =>
    outputs.map(({ text }, index) => text.slice(before[index])).join('')
  const next = answersOf(child)
  const loaded = await next()
  return {
    async invoke(event, timeoutMs = 30_000) {
      const requestId = randomUUID()
      if (loaded.error !== undefined) {
        return { payload: loaded.error, isError: true, requestId, log: logSince([0, 0]) }
      }
      const before = outputs.map(({ text }) => text.length)
      child.stdin?.write(`${JSON.stringify({ event, requestId })}\n`)
      const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
      const { result, error } = await next()
      clearTimeout(timer)
      await Promise.all(outputs.map(output => output.seen(requestId)))
      const log = logSince(before)
      return { payload: error ?? result ?? null, isError: error !== undefined, requestId, log }
    },

    async close() {
      const ended = new Promise(resolve => child.once('exit', resolve))
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL')
        await ended
      }
      await rm(root, { recursive: true, force: true })
    },
  }
}

/** What a process writes to one of its streams, without the marks that end an invocation. */
class Output {
  text = ''
  #raw = ''
  #hasEnded = false
  #wake: () => void = () => {}

  constructor(stream: Readable) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      this.#raw += chunk
      this.text = this.#raw.replaceAll(/\0[\w-]*\n?/g, '')
      this.#wake()
    })
    stream.on('close', () => {
      this.#hasEnded = true
      this.#wake()
    })
  }

  /** Resolves when all is there that was written in an invocation. */
  async seen(requestId: string): Promise<void> {
    while (!this.#raw.includes(`\0${requestId}\n`) && !this.#hasEnded) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }
}

interface Line {
  result?: unknown
  error?: unknown
}

/** Its answers, one after the other; what it ended with, where it ends instead. */
function answersOf(child: ChildProcess): () => Promise<Line> {
  const lines: Line[] = []
  let wake: () => void = () => {}
  let ending: Line | undefined
  createInterface({ input: child.stdio[3] as Readable }).on('line', line => {
    lines.push(JSON.parse(line))
    wake()
  })
  child.on('close', (code, signal) => {
    const errorMessage = `Runtime exited: ${signal ?? `exit status ${code}`}`
    ending = { error: { errorType: 'Runtime.ExitError', errorMessage } }
    wake()
  })
  return async () => {
    for (;;) {
      const line = lines.shift() ?? ending
      if (line !== undefined) return line
      await new Promise<void>(resolve => {
        wake = resolve
      })
    }
  }
}
