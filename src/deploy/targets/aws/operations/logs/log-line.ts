import type { FunctionLogEntry } from '../../../../../functions/version.ts'

/** What Lambda's runtimes put before a line of the function's own: Node's console, Python's logging. */
const NODE_LINE = /^\d{4}-\d\d-\d\dT[\d:.]+Z\t([\w-]+)\t([A-Z]+)\t([\s\S]*)$/
const PYTHON_LINE = /^\[([A-Z]+)\]\t\d{4}-\d\d-\d\dT[\d:.]+Z\t([\w-]*)\t([\s\S]*)$/
const PLATFORM =
  /^(START|END|REPORT|INIT_START|INIT_REPORT|EXTENSION|TELEMETRY|RESTORE_START|RESTORE_REPORT)\b/
const REQUEST_ID = /RequestId: ([0-9a-f-]{36})/
const TIMED_OUT = /^(?:\S+ )?([0-9a-f-]{36}) Task timed out after/
/** How the runtimes tell of an invocation that failed, or of code that could not be loaded. */
const FAILURE =
  /^(?:Invoke Error|Uncaught Exception|Unhandled Promise Rejection|Init Error)\s*\t|Task timed out after|^RequestId: \S+ Error: |^\[ERROR\] [\w.]+:/

/**
 * An event of CloudWatch as an entry of the log, as a function has it at home. `current` knows the
 * invocation that is running, by log stream: lines that were printed do not name theirs.
 */
export function parseLogEvent(
  event: { timeMs: number; stream: string; message: string },
  names: { project: string; function: string },
  current: Map<string, string>,
): FunctionLogEntry {
  const message = event.message.replace(/\r?\n$/, '')
  const platform = PLATFORM.exec(message)
  const named = (REQUEST_ID.exec(message) ?? TIMED_OUT.exec(message))?.[1]
  if (platform?.[1] === 'START' && named !== undefined) current.set(event.stream, named)
  const line = parseLine(message)
  const requestId = line.requestId ?? named ?? current.get(event.stream)
  if (platform?.[1] === 'END') current.delete(event.stream)
  const isPlatform = platform !== null || TIMED_OUT.test(message)
  return {
    timeMs: event.timeMs,
    ...names,
    ...(requestId === undefined ? {} : { requestId }),
    stream: isPlatform ? 'platform' : line.isError ? 'stderr' : 'stdout',
    ...(FAILURE.test(line.text) ? { isFailure: true as const } : {}),
    text: line.text,
  }
}

function parseLine(message: string): { text: string; requestId?: string; isError: boolean } {
  const node = NODE_LINE.exec(message)
  if (node !== null) return describe(node[3]!, node[1]!, node[2]!)
  const python = PYTHON_LINE.exec(message)
  if (python !== null) return describe(message, python[2]!, python[1]!)
  return { text: message, isError: /^\[ERROR\]/.test(message) }
}

function describe(text: string, requestId: string, level: string) {
  const isError = level === 'ERROR' || level === 'FATAL' || level === 'WARN' || level === 'WARNING'
  // Node writes `undefined` before the first invocation.
  return { text, isError, ...(requestId.length === 36 ? { requestId } : {}) }
}
