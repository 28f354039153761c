/** Longest request target. Well above what browsers send; RFC 9112 §3 asks for 8,000 at least. */
export const MAX_TARGET_BYTES = 8192

/** Header fields of a request, each line for itself; browsers send 20. The cookies of HTTP/2 are one. */
export const MAX_FIELD_LINES = 100

export type TargetOutcome =
  | {
      kind: 'resource'
      /** Percent-encoded as received; begins with "/". */
      rawPath: string
      /** With its "?", or empty. */
      query: string
      /** Of an absolute-form target: overrides Host (RFC 9112 §3.2.2). */
      authority: string | undefined
    }
  /** `OPTIONS *`: the server as a whole. */
  | { kind: 'server' }
  | { kind: 'too-long' }
  | { kind: 'malformed' }

const ABSOLUTE_FORM = /^https?:\/\/([^/?#]*)([^#]*)$/i

/** Tells the forms of a request target apart (RFC 9112 §3.2). */
export function parseRequestTarget(method: string, target: string): TargetOutcome {
  if (target.length > MAX_TARGET_BYTES) return { kind: 'too-long' }
  // Visible ASCII only; a fragment is never sent.
  if (!/^[\x21-\x22\x24-\x7e]+$/.test(target)) return { kind: 'malformed' }
  if (target === '*') return { kind: method === 'OPTIONS' ? 'server' : 'malformed' }
  if (target.startsWith('/')) return split(target, undefined)
  const absolute = ABSOLUTE_FORM.exec(target)
  if (absolute === null) return { kind: 'malformed' }
  const rest = absolute[2]!
  return split(rest.startsWith('/') ? rest : `/${rest}`, absolute[1]!)
}

function split(target: string, authority: string | undefined): TargetOutcome {
  const question = target.indexOf('?')
  if (question === -1) return { kind: 'resource', rawPath: target, query: '', authority }
  return {
    kind: 'resource',
    rawPath: target.slice(0, question),
    query: target.slice(question),
    authority,
  }
}
