export interface MokaErrorOptions {
  /** What to try, as one line without the leading `try:`. */
  hint?: string
  cause?: unknown
}

/**
 * An error meant for a person: what was being done, to what, in quotes, a colon, what is so.
 * `code` is stable and reads `PART_CONDITION`; doors map it to their protocol.
 */
export class MokaError extends Error {
  readonly code: string
  readonly hint: string | undefined

  constructor(code: string, message: string, options: MokaErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'MokaError'
    this.code = code
    this.hint = options.hint
  }
}

/** The text shown to a person: the message, then a `try:` line where there is a hint. */
export function formatError(error: unknown): string {
  if (error instanceof MokaError) {
    return error.hint === undefined ? error.message : `${error.message}\ntry: ${error.hint}`
  }
  return error instanceof Error ? error.message : String(error)
}

/** The `code` of a Node system error (`ENOENT`, `EADDRINUSE`), or undefined. */
export function systemErrorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : undefined
}

/** The error as it is, or `DISK_FULL` where a write failed for want of space. `what` reads `store x`. */
export function explainDiskFull(error: unknown, what: string): unknown {
  const code = systemErrorCode(error)
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error
  return new MokaError('DISK_FULL', `cannot ${what}: no space is left on its disk`, {
    hint: 'free some space there, then do it again; what is live stays as it is',
    cause: error,
  })
}
