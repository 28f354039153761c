import type { RateLimit } from '../http/rate-limits/rate-limit.ts'

export type RuntimeName = 'python' | 'node'

/** One immutable state of a function: code and settings together. */
export interface FunctionVersion {
  project: string
  /**
   * Whose user of the system it runs as, and of whose places for environments it takes one, like
   * others of the same. Default: the project's.
   */
  tenant?: string
  name: string
  /** Hash over code and settings. Execution environments are pooled by it. */
  id: string
  runtime: RuntimeName
  /** Module path, a dot, the export, as Lambda's: `visits.handler`, `api/visits.handler`. */
  handler: string
  /** SHA-256 in hex of the zip archive that holds the code. */
  codeSha256: string
  /** Longest an invocation may take, init not counted. The environment is killed then. */
  timeoutMs: number
  memoryMb: number
  environment: Readonly<Record<string, string>>
  /** Names of variables whose values the cloud adds, which are in no release. */
  secrets?: readonly string[]
  /** Invocations allowed at once, over all versions. 0 stops the function. Default: no reservation. */
  reservedConcurrency?: number
  /** Calls allowed through the HTTP door. Direct invocations are not counted. */
  rateLimit?: RateLimit
}

export function tenantOf({ tenant, project }: FunctionVersion): string {
  return tenant ?? project
}

export interface FunctionLogEntry {
  timeMs: number
  project: string
  function: string
  /** Absent while no invocation is running: init, and what comes from between invocations. */
  requestId?: string
  /** `platform` is what Lambda itself would write: START, END, REPORT, time-outs. */
  stream: 'stdout' | 'stderr' | 'platform'
  /** Says why an invocation, or the init before it, failed. */
  isFailure?: true
  /** One line, or a stack trace of several, without the line end. */
  text: string
}

/** Takes a function's log. `write` must not block and keeps the order of its calls. */
export interface LogSink {
  write(entry: FunctionLogEntry): void
}
