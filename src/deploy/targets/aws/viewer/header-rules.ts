import { headerPatternPieces } from '../../../../edge/headers/header-pattern.ts'
import { isValidField } from '../../../../http/field-lists.ts'
import { isSettableField } from '../../../../http/settable-fields.ts'
import { MokaError } from '../../../../shared/errors.ts'
import { saltedHash } from './path-index.ts'
import { piecesOf } from './store.ts'
import type { ViewedHeaders } from './viewed-release.ts'

/** Each is a read of every answer. */
export const MAX_HEADER_VALUES = 16

/**
 * Fields that a CloudFront Function may not set in an answer: it would be a 502. `set-cookie` is a
 * matter of its own there, and no rule's.
 */
const REFUSED =
  /^(?:connection|expect|keep-alive|proxy-.*|trailer|upgrade|via|warning|set-cookie|x-accel-.*|x-amz-cf-.*|x-amzn-.*|x-cache|x-edge-.*|x-forwarded-proto|x-real-ip)$/

export const isSettableOnAws = (name: string) =>
  isSettableField(name) && !REFUSED.test(name.toLowerCase())

/** Rules as the functions read them: the pieces of the pattern, then fields or hashes. */
export interface StoredHeaders {
  rules: readonly string[]
  locks: readonly string[]
}

/** Throws `AWS_HEADERS_TOO_LONG`. */
export function storeHeaders(salt: string, headers: readonly ViewedHeaders[]): StoredHeaders {
  const { rules, locks } = readHeaders(salt, headers)
  return { rules: store(rules), locks: store(locks) }
}

export function readHeaders(salt: string, headers: readonly ViewedHeaders[]) {
  const rules: unknown[] = []
  const locks: unknown[] = []
  for (const { for: pattern, values } of headers) {
    const pieces = headerPatternPieces(pattern)
    const fields = Object.entries(values).filter(
      ([name, value]) => isSettableOnAws(name) && isValidField(name, value),
    )
    const lock = Object.entries(values).find(([name]) => name.toLowerCase() === 'basic-auth')
    const named = fields.map(([name, value]) => [name.toLowerCase(), value] as const)
    const set = named.filter(([name]) => name !== 'basic-auth')
    if (set.length > 0) rules.push([pieces, Object.fromEntries(set)])
    if (lock !== undefined) {
      const pairs = lock[1].split(/[\s,]+/).filter(pair => pair.includes(':'))
      locks.push([pieces, pairs.map(pair => saltedHash(salt, pair))])
    }
  }
  return { rules, locks }
}

function store(rules: readonly unknown[]): string[] {
  if (rules.length === 0) return []
  const values = piecesOf(JSON.stringify(rules))
  if (values.length <= MAX_HEADER_VALUES) return values
  throw new MokaError(
    'AWS_HEADERS_TOO_LONG',
    `cannot deploy the rules of _headers: they take ${values.length} values of the KeyValueStore, and each answer reads ${MAX_HEADER_VALUES} at most`,
    { hint: 'use fewer and shorter rules; a policy for all pages belongs into one rule for "/*"' },
  )
}
