import type { ChildProcess } from 'node:child_process'
import { setMaxListeners } from 'node:events'
import type { ServerResponse } from 'node:http'
import { resolve } from 'node:path'
import type { Duplex } from 'node:stream'
import { pipeline, type Readable, type Writable } from 'node:stream'
import { formatError, MokaError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import type { ProjectQueue } from '../queue.ts'
import { encodeProgress, encodePushHead, type PushCommand, type PushHead } from './packet-lines.ts'
import { listBranches, type Repositories } from './repository.ts'
import { git, gitEnvironment, killGroup, spawnGit } from './run-git.ts'

/** A push whose objects have arrived and which is in no ref yet. */
export interface ArrivedPush {
  project: string
  /** Of the repository. */
  path: string
  /** Folder of the objects that came with it, beside those of the repository. */
  quarantine: string
  commands: PushCommand[]
  /** Branches as they are before it, by ref. */
  branches: ReadonlyMap<string, string>
  /** To the terminal of whoever pushes. */
  output: Writable
  /** When he has left. */
  signal: AbortSignal
}

export interface PushReceiverOptions {
  repositories: Repositories
  queue: ProjectQueue
  /** Rejects where the push may not go in; what is said then goes to the terminal. */
  check(push: ArrivedPush): Promise<void>
  /** When it went in, or did not, and the response is sent; the next one waits for it. */
  onEnd(project: string): Promise<void>
  /** Between two pieces of a pack. Shortened in tests. Default: 60 s. */
  stallMs?: number
  logger: Logger
}

export interface IncomingPush {
  project: string
  path: string
  head: PushHead
  /** The pack. */
  body: Readable
  response: ServerResponse
}

const NOTHING = /^0+$/
const STALL_MS = 60_000

/** Takes pushes, one at a time for each project: wait → receive → check → update the refs. */
export class PushReceiver {
  readonly #options: PushReceiverOptions
  readonly #closing = new AbortController()
  readonly #current = new Set<Promise<void>>()

  constructor(options: PushReceiverOptions) {
    this.#options = options
    setMaxListeners(0, this.#closing.signal) // as many as wait
  }

  receive(push: IncomingPush): Promise<void> {
    const receiving = this.#receive(push).finally(() => this.#current.delete(receiving))
    this.#current.add(receiving)
    return receiving
  }

  /** Ends what is under way; nothing of it goes in. */
  async close(): Promise<void> {
    this.#closing.abort(
      new MokaError('PIPELINE_CLOSED', 'cannot take the push: the cloud is ending', {
        hint: 'push again when it runs again',
      }),
    )
    await Promise.allSettled(this.#current)
  }

  async #receive({ project, path, head, body, response }: IncomingPush): Promise<void> {
    const { queue } = this.#options
    const left = new AbortController()
    response.once('close', () => {
      if (!response.writableFinished) left.abort(new MokaError('PIPELINE_LEFT', 'the client left'))
    })
    const signal = AbortSignal.any([left.signal, this.#closing.signal])
    const say = (text: string) => {
      if (head.capabilities.includes('side-band-64k')) response.write(encodeProgress(`${text}\n`))
    }
    const label = `the push of ${describe(head.commands)}`
    const end = await queue
      .enter(project, label, { onWait: ahead => say(`waiting for ${ahead} …`), signal })
      .catch(error => {
        if (!left.signal.aborted) say(formatError(error))
        response.destroy()
      })
    if (end === undefined) return
    try {
      await this.#run({ project, path, head, body, response }, signal)
    } finally {
      const { onEnd, logger } = this.#options
      await onEnd(project).catch(error => {
        logger.warn('tidying up after a push failed', { project, error: String(error) })
      })
      end()
      // Git's own tidying, which reads what others write.
      const { signal } = this.#closing
      await git(['-C', path, 'gc', '--auto', '--quiet'], { signal }).catch(() => {})
    }
  }

  async #run(push: IncomingPush, signal: AbortSignal): Promise<void> {
    const { project, path, head, body, response } = push
    const branches = await listBranches(path)
    // Another push may have gone in since the client looked. Where this one is further on, it counts
    // from there; git compares what the client saw with what is there.
    const commands = head.commands.map(command => {
      const now = branches.get(command.ref)
      const isMoved = now !== undefined && now !== command.from && !NOTHING.test(command.to)
      return isMoved ? { ...command, from: now } : command
    })
    const moved = commands.filter(({ from }, index) => from !== head.commands[index]!.from)
    const { repositories } = this.#options
    const env = gitEnvironment([['core.hooksPath', repositories.hooks]])
    const child = spawnGit(['receive-pack', '--stateless-rpc', path], env, 2)
    const kill = () => killGroup(child)
    signal.addEventListener('abort', kill, { once: true })
    if (signal.aborted) kill()
    this.#log(child, project)
    child.stdin!.on('error', () => {}) // it ended before it had read all
    child.stdin!.write(encodePushHead(head, commands))
    const watch = endStalled(body, this.#options.stallMs ?? STALL_MS, kill)
    pipeline(body, child.stdin!, () => watch.end())
    const checking = this.#answerHook(child, { project, path, branches, signal }, moved)
    await new Promise<void>((done, fail) => {
      child.once('error', fail)
      pipeline(child.stdout!, response, () => done())
    })
    watch.end()
    kill() // where the client has left
    await checking
    signal.removeEventListener('abort', kill)
  }

  /** The other side of `pre-receive`. It never rejects: without a verdict the push does not go in. */
  async #answerHook(
    child: ChildProcess,
    about: Pick<ArrivedPush, 'project' | 'path' | 'branches' | 'signal'>,
    moved: readonly PushCommand[],
  ): Promise<void> {
    const [talk, verdict] = child.stdio.slice(3) as Duplex[]
    for (const stream of [talk!, verdict!]) stream.on('error', () => {})
    const told = await readAll(talk!)
    if (told === undefined) return // it was refused before it came to that
    const [quarantine = '', ...lines] = told
    const commands = lines.map(line => {
      const [from = '', to = '', ...ref] = line.split(' ')
      return { from, to, ref: ref.join(' ') }
    })
    const push = { ...about, quarantine: resolve(about.path, quarantine), commands, output: talk! }
    let isAccepted = false
    try {
      await requireForward(push, moved)
      await this.#options.check(push)
      isAccepted = !about.signal.aborted
    } catch (error) {
      if (!(error instanceof MokaError)) {
        this.#options.logger.error('a push failed', { error: String(error) })
      }
      talk!.write(`${formatError(error)}\n`)
    }
    verdict!.end(isAccepted ? 'accept\n' : 'reject\n')
    talk!.end()
  }

  #log(child: ChildProcess, project: string): void {
    let text = ''
    child.stderr!.on('data', (chunk: Buffer) => {
      text = (text + chunk.toString()).slice(-4096)
    })
    child.once('close', () => {
      if (text !== '') this.#options.logger.warn('git receive-pack', { project, says: text.trim() })
    })
  }
}

/** Others wait for a push, and a client that sends nothing more may do so for ever. */
function endStalled(body: Readable, stallMs: number, end: () => void): { end(): void } {
  const timer = setTimeout(end, stallMs)
  body.on('data', () => timer.refresh())
  return { end: () => clearTimeout(timer) }
}

/** A branch that went on while the push was on its way: only what stands on it may follow. */
async function requireForward(
  { path, quarantine }: ArrivedPush,
  moved: readonly PushCommand[],
): Promise<void> {
  const env = gitEnvironment([], quarantineVariables(path, quarantine))
  for (const { from, to, ref } of moved) {
    const isForward = await git(['-C', path, 'merge-base', '--is-ancestor', from, to], {
      env,
    }).then(
      () => true,
      () => false,
    )
    if (isForward) continue
    throw new MokaError(
      'PIPELINE_MOVED_ON',
      `cannot take the push of ${shorten(ref)}: another push has moved it to ${from.slice(0, 7)} meanwhile`,
      { hint: 'git pull, then push again' },
    )
  }
}

/** What lets git see objects that are not in the repository yet. */
export function quarantineVariables(path: string, quarantine: string): Record<string, string> {
  return {
    GIT_OBJECT_DIRECTORY: quarantine,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: resolve(path, 'objects'),
  }
}

/** `main at 1a2b3c4`, and how many more. */
function describe(commands: readonly PushCommand[]): string {
  const [first, ...more] = commands
  const { ref, to } = first!
  const what = NOTHING.test(to)
    ? `the end of ${shorten(ref)}`
    : `${shorten(ref)} at ${to.slice(0, 7)}`
  return more.length === 0 ? what : `${what} and ${more.length} more`
}

export function shorten(ref: string): string {
  return ref.replace(/^refs\/(?:heads|tags)\//, '')
}

/** The lines up to the one with a dot alone; undefined where the stream ends before. */
function readAll(stream: Readable): Promise<string[] | undefined> {
  return new Promise(done => {
    let text = ''
    stream.setEncoding('utf8')
    stream.on('data', (chunk: string) => {
      text += chunk
      if (text.endsWith('\n.\n')) done(text.slice(0, -3).split('\n'))
    })
    stream.once('close', () => done(undefined))
    stream.once('end', () => done(undefined))
  })
}
