import { LineSplitter } from '../logs/line-splitter.ts'
import type { FunctionLogEntry, FunctionVersion, LogSink } from '../version.ts'

/** Writes one execution environment's output, each line with the invocation that was running. */
export class EnvironmentLog {
  requestId: string | undefined
  readonly #version: FunctionVersion
  readonly #sink: LogSink
  readonly #now: () => number
  readonly #splitters = {
    stdout: new LineSplitter(line => this.#write('stdout', line)),
    stderr: new LineSplitter(line => this.#write('stderr', line)),
  }

  constructor(version: FunctionVersion, sink: LogSink, now: () => number) {
    this.#version = version
    this.#sink = sink
    this.#now = now
  }

  output(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    this.#splitters[stream].push(chunk)
  }

  flush(): void {
    this.#splitters.stdout.flush()
    this.#splitters.stderr.flush()
  }

  platform(text: string): void {
    this.#write('platform', text)
  }

  /** An error with its stack, which Lambda's runtimes print as the function's own output. */
  error(text: string): void {
    this.flush()
    this.#write('stderr', text, true)
  }

  #write(stream: FunctionLogEntry['stream'], text: string, isFailure = false): void {
    const { project, name } = this.#version
    const entry: FunctionLogEntry = { timeMs: this.#now(), project, function: name, stream, text }
    if (this.requestId !== undefined) entry.requestId = this.requestId
    if (isFailure) entry.isFailure = true
    this.#sink.write(entry)
  }
}
