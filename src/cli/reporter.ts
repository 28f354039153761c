import { styleText } from 'node:util'

/** How a command talks: results on stdout, progress on stderr, and with `--json` data alone. */
export interface Reporter {
  readonly isJson: boolean
  /** The command's result: the value with `--json`, the text without. */
  result(value: unknown, text: string): void
  /** A line of result text; nothing with `--json`. */
  line(text: string): void
  /** Something is under way. On a terminal the next one replaces it. */
  progress(text: string): void
  /** A line that stays, on stderr. */
  note(text: string): void
  /** Text of another program, as it comes, on stderr. */
  passThrough(text: string): void
  dim(text: string): string
  bold(text: string): string
}

type Output = NodeJS.WriteStream

export function createReporter(
  isJson: boolean,
  stdout: Output = process.stdout,
  stderr: Output = process.stderr,
): Reporter {
  const isLive = stderr.isTTY === true && process.env.TERM !== 'dumb'
  let shown = ''
  const clear = () => {
    if (shown !== '') stderr.write('\r\x1b[2K')
    shown = ''
  }
  // styleText knows NO_COLOR, FORCE_COLOR and what the stream can do.
  const style = (format: 'dim' | 'bold') => (text: string) =>
    styleText(format, text, { stream: stdout })
  return {
    isJson,
    result(value, text) {
      clear()
      stdout.write(`${isJson ? JSON.stringify(value) : text}\n`)
    },
    line(text) {
      clear()
      if (!isJson) stdout.write(`${text}\n`)
    },
    progress(text) {
      if (!isLive) return
      const line = text.slice(0, (stderr.columns ?? 80) - 1)
      stderr.write(`\r\x1b[2K${line}`)
      shown = line
    },
    note(text) {
      clear()
      stderr.write(`${text}\n`)
    },
    passThrough(text) {
      clear()
      stderr.write(text)
    },
    dim: style('dim'),
    bold: style('bold'),
  }
}

/** Longer lines are hard to read, and no terminal has to be full. */
const MAX_COLUMNS = 110

/** How wide text may be: what other programs read is a line each, a terminal gets columns. */
export function textColumns(): number {
  return process.stdout.isTTY
    ? Math.min(MAX_COLUMNS, process.stdout.columns)
    : Number.POSITIVE_INFINITY
}

/** Lines of whole words; a word that is longer, such as an address, has a line of its own. */
export function wrapText(text: string, columns: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

/** `412 ms`, `1.2 s`. */
export function formatDuration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}

/** `1 file`, `2 files`. */
export function formatCount(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** `3 minutes ago`; for a list that people read, not for data. */
export function formatAge(thenMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - thenMs) / 1000))
  if (seconds < 60) return `${formatCount(seconds, 'second')} ago`
  if (seconds < 3600) return `${formatCount(Math.floor(seconds / 60), 'minute')} ago`
  if (seconds < 86_400) return `${formatCount(Math.floor(seconds / 3600), 'hour')} ago`
  return `${formatCount(Math.floor(seconds / 86_400), 'day')} ago`
}
