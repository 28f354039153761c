/** What Lambda answers for an error. Python sends `stackTrace`, Node sends `trace`. */
export interface FunctionError {
  errorMessage: string
  errorType: string
  stackTrace?: readonly string[]
  trace?: readonly string[]
  requestId?: string
}

export interface InvocationTiming {
  requestId: string
  /** From handing over the event to the answer. */
  durationMs: number
  /** Present when a new execution environment was made for this invocation. */
  initMs?: number
}

export type ThrottleReason =
  | 'ConcurrentInvocationLimitExceeded'
  | 'ReservedFunctionConcurrentInvocationLimitExceeded'

export interface Throttled {
  kind: 'throttled'
  requestId: string
  reason: ThrottleReason
  retryAfterSeconds: number
  /** Invocations allowed at once by the limit that was met. */
  limit: number
}

/**
 * How an invocation ended. `error`: the function, or its init, reported one. `crashed`: its process
 * ended by itself, by a signal or for want of memory.
 */
export type InvocationOutcome =
  | (InvocationTiming & { kind: 'success'; payload: unknown })
  | (InvocationTiming & { kind: 'error'; error: FunctionError })
  | (InvocationTiming & { kind: 'timeout'; error: FunctionError })
  | (InvocationTiming & { kind: 'crashed'; error: FunctionError })
  | Throttled

/** How a process ended. */
export interface ProcessExit {
  code: number | null
  /** `SIGKILL`, `SIGSEGV` … */
  signal: string | null
}

/** Lambda's words for a signal: Go's `syscall.Signal` strings. */
const SIGNAL_WORDS: Readonly<Record<string, string>> = {
  SIGKILL: 'killed',
  SIGSEGV: 'segmentation fault',
  SIGABRT: 'aborted',
  SIGTERM: 'terminated',
  SIGBUS: 'bus error',
  SIGILL: 'illegal instruction',
  SIGFPE: 'floating point exception',
  SIGINT: 'interrupt',
}

/** The error of an invocation whose process ended before it answered. */
export function exitError(
  requestId: string,
  exit: ProcessExit,
  outOfMemory = false,
): FunctionError {
  const prefix = `RequestId: ${requestId} Error: Runtime exited`
  const errorType = outOfMemory ? 'Runtime.OutOfMemory' : 'Runtime.ExitError'
  if (exit.signal !== null) {
    const word = SIGNAL_WORDS[exit.signal] ?? exit.signal
    return { errorType, errorMessage: `${prefix} with error: signal: ${word}` }
  }
  if (exit.code === 0) return { errorType, errorMessage: `${prefix} without providing a reason` }
  return { errorType, errorMessage: `${prefix} with error: exit status ${exit.code}` }
}

/** `2026-01-02T03:04:05.678Z 8f5a… Task timed out after 3.00 seconds` */
export function timeoutError(requestId: string, timeoutMs: number, now: number): FunctionError {
  const seconds = (timeoutMs / 1000).toFixed(2)
  const time = new Date(now).toISOString()
  return {
    errorType: 'Sandbox.Timedout',
    errorMessage: `${time} ${requestId} Task timed out after ${seconds} seconds`,
  }
}

/**
 * The body that a runtime posts to …/error, whatever it is worth. A runtime of somebody else's may
 * send anything; what is not Lambda's shape still names the type that the header gave.
 */
export function parseFunctionError(body: string, headerType: string | undefined): FunctionError {
  const fallback: FunctionError = {
    errorType: headerType ?? 'Runtime.UnknownReason',
    errorMessage: body.slice(0, 1000),
  }
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return fallback
  }
  if (typeof value !== 'object' || value === null) return fallback
  const source = value as Record<string, unknown>
  const error: FunctionError = {
    errorType: typeof source.errorType === 'string' ? source.errorType : fallback.errorType,
    errorMessage: typeof source.errorMessage === 'string' ? source.errorMessage : '',
  }
  for (const field of ['stackTrace', 'trace'] as const) {
    const lines = source[field]
    if (Array.isArray(lines)) error[field] = lines.map(line => String(line))
  }
  if (typeof source.requestId === 'string') error.requestId = source.requestId
  return error
}

/** The log text of an error, stack included, as Lambda's Python runtime writes it. */
export function formatFunctionError(error: FunctionError): string {
  const head = `[ERROR] ${error.errorType}: ${error.errorMessage}`
  if (error.stackTrace !== undefined && error.stackTrace.length > 0) {
    const stack = error.stackTrace.map(line => line.replace(/\n$/, '')).join('\n')
    return `${head}\nTraceback (most recent call last):\n${stack}`
  }
  if (error.trace !== undefined && error.trace.length > 1) {
    return `${head}\n${error.trace.slice(1).join('\n')}`
  }
  return head
}
