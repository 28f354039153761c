export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Structured logging of the program itself. A function's own output goes to its `LogSink`. */
export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void
  info(message: string, fields?: Record<string, unknown>): void
  warn(message: string, fields?: Record<string, unknown>): void
  error(message: string, fields?: Record<string, unknown>): void
}

const RANK: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 }

/** Writes one line per entry: `warn edge worker died {"pid":12}`. Entries below `level` are dropped. */
export function createLogger(write: (line: string) => void, level: LogLevel = 'info'): Logger {
  const log = (entry: LogLevel) => (message: string, fields?: Record<string, unknown>) => {
    if (RANK[entry] < RANK[level]) return
    write(`${entry} ${message}${fields === undefined ? '' : ` ${JSON.stringify(fields)}`}\n`)
  }
  return { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
}

export const silentLogger: Logger = createLogger(() => {}, 'error')
