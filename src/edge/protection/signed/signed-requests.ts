import type { Fields } from '../../../http/fields.ts'
import type { EdgeRelease } from '../../release.ts'
import { findSignature, type RequestSignature, withoutSignature } from './request-signature.ts'
import { formatCannedPolicy, isAllowedBy, parsePolicy } from './signed-policy.ts'
import type { SigningKeys } from './signing-keys.ts'

export interface SignedRequest {
  release: EdgeRelease
  fields: Fields
  /** `https://example.com:8443`, as the viewer wrote it. */
  origin: string
  rawPath: string
  /** As received, with its "?", or empty. */
  query: string
  client: string
  now: number
}

/** `missing`: there is no signature. `denied`: for whatever reason, which nobody is told. */
export type SignedOutcome = 'allowed' | 'missing' | 'denied'

/** Decides whether a signed URL or signed cookies, in CloudFront's formats, open a request. */
export function checkSignature(
  keys: SigningKeys,
  signedBy: readonly string[],
  request: SignedRequest,
): SignedOutcome {
  const found = findSignature(request.query, request.fields)
  if (found.kind === 'missing') return 'missing'
  if (found.kind === 'malformed') return 'denied'
  const url = `${request.origin}${request.rawPath}${withoutSignature(request.query)}`
  const text = textOf(found.signature, url)
  // What nobody has signed is not even read.
  if (!keys.hasSigned(request.release, signedBy, text, found.signature)) return 'denied'
  const policy = parsePolicy(Buffer.from(text).toString('utf8'))
  if (policy === undefined) return 'denied'
  // A canned policy is of one URL, in which nothing stands for anything else.
  if (found.signature.policy.kind === 'canned') policy.resource = undefined
  return isAllowedBy(policy, { url, client: request.client, now: request.now })
    ? 'allowed'
    : 'denied'
}

function textOf({ policy }: RequestSignature, url: string): Uint8Array {
  return policy.kind === 'custom'
    ? policy.bytes
    : Buffer.from(formatCannedPolicy(url, policy.expires))
}
