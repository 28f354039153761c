/** What became of a step of the challenge. */
export type Outcome =
  /** `evidence` is the request, record, test or workflow that shows it. */
  | { kind: 'done'; evidence: string }
  /** It is not there; `todo` is what to do. */
  | { kind: 'missing'; lacks: string; todo: string }
  /** It may be there; `todo` is what would show it. */
  | { kind: 'unknown'; why: string; todo: string }

export const done = (evidence: string): Outcome => ({ kind: 'done', evidence })
export const missing = (lacks: string, todo: string): Outcome => ({ kind: 'missing', lacks, todo })
export const unknown = (why: string, todo: string): Outcome => ({ kind: 'unknown', why, todo })

/** `POST /api/visits → 200, {"count":7}` */
export function tellRequest(
  method: string,
  path: string,
  { status }: { status: number },
  what = '',
): string {
  return `${method} ${path} → ${status}${what === '' ? '' : `, ${what}`}`
}

export function tellSize(bytes: number): string {
  return bytes < 1000 ? `${bytes} bytes` : `${(bytes / 1000).toFixed(1)} KB`
}

const MAX_SHOWN = 60

/** In one line, and not the whole of something long. */
export function shorten(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length <= MAX_SHOWN ? line : `${line.slice(0, MAX_SHOWN - 1)}…`
}

/** What a failed connection says of itself. */
export function reasonOf(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string }
  return message || code || String(error)
}
