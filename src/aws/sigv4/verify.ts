import { createHmac, timingSafeEqual } from 'node:crypto'
import type { AwsRequest } from '../aws-request.ts'
import { canonicalRequest, type PathStyle, sha256Hex } from './canonical-request.ts'
import { ALGORITHM, type CredentialScope, readClaim, type SignatureClaim } from './claim.ts'

/** How far the clocks of two machines may be apart. */
export const MAX_SKEW_MS = 15 * 60 * 1000

/** What covers the body. */
export type PayloadClaim =
  /** The signature does, and the body has this hash. */
  | 'signed'
  /** Nothing does: the client said UNSIGNED-PAYLOAD, or presigned a URL of S3. */
  | 'unsigned'

export type Verification =
  | { kind: 'verified'; scope: CredentialScope; payload: PayloadClaim }
  | { kind: 'unsigned' }
  | { kind: 'malformed'; reason: string }
  | { kind: 'unknown-key'; reason: string }
  | { kind: 'expired'; reason: string }
  | { kind: 'not-yet'; reason: string }
  | { kind: 'wrong-payload' }
  /** `canonicalRequest` as we understand it: where clocks and keys agree, the two texts differ. */
  | { kind: 'wrong-signature'; canonicalRequest: string }

export interface VerifyOptions {
  now: number
  /** Undefined for a key that there is not. */
  secretOf(accessKeyId: string): string | undefined
}

const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD'

/**
 * Who signed a request, by AWS Signature Version 4: claim → key → time → signed fields → payload →
 * signature. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export function verifySignature(request: AwsRequest, options: VerifyOptions): Verification {
  const outcome = readClaim(request)
  if (outcome.kind === 'none') return { kind: 'unsigned' }
  if (outcome.kind === 'malformed') return outcome
  const { claim } = outcome
  const secret = options.secretOf(claim.scope.accessKeyId)
  if (secret === undefined) {
    return { kind: 'unknown-key', reason: `there is no access key "${claim.scope.accessKeyId}"` }
  }
  if (claim.hasToken) return { kind: 'unknown-key', reason: 'there are no session tokens' }
  const time = timeOf(claim, options.now)
  if (time !== undefined) return time
  const unsigned = unsignedField(request, claim)
  if (unsigned !== undefined) {
    return { kind: 'malformed', reason: `the field "${unsigned}" must be signed` }
  }
  const payload = payloadOf(request, claim)
  if (payload.kind === 'wrong-payload') return payload
  const canonical = canonicalRequest({
    method: request.method,
    target: request.target,
    fields: request.fields,
    signedHeaders: claim.signedHeaders,
    payloadHash: payload.hash,
    pathStyle: pathStyleOf(claim.scope),
  })
  const expected = sign(secret, claim, canonical)
  if (!timingSafeEqual(Buffer.from(claim.signature, 'hex'), expected)) {
    return { kind: 'wrong-signature', canonicalRequest: canonical }
  }
  return { kind: 'verified', scope: claim.scope, payload: payload.kind }
}

function sign(secret: string, { scope, timestamp }: SignatureClaim, canonical: string): Buffer {
  const { day, region, service } = scope
  const toSign = [
    ALGORITHM,
    timestamp,
    `${day}/${region}/${service}/aws4_request`,
    sha256Hex(canonical),
  ].join('\n')
  let key: Buffer = Buffer.from(`AWS4${secret}`, 'utf8')
  for (const part of [day, region, service, 'aws4_request']) key = hmac(key, part)
  return hmac(key, toSign)
}

function hmac(key: Buffer, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest()
}

function timeOf(claim: SignatureClaim, now: number): Verification | undefined {
  const { signedAtMs, expiresSeconds, timestamp } = claim
  if (signedAtMs - now > MAX_SKEW_MS) {
    return {
      kind: 'not-yet',
      reason: `it was signed at ${timestamp}, and here it is ${stamp(now)}`,
    }
  }
  const endsMs = signedAtMs + (expiresSeconds === undefined ? MAX_SKEW_MS : expiresSeconds * 1000)
  if (now <= endsMs) return undefined
  const reason = `it was signed at ${timestamp} and held until ${stamp(endsMs)}; here it is ${stamp(now)}`
  return { kind: 'expired', reason }
}

function stamp(ms: number): string {
  return new Date(ms).toISOString().replace(/[-:]|\.\d+/g, '')
}

/** Host and each x-amz field must be signed, or somebody on the way could have put them there. */
function unsignedField({ fields }: AwsRequest, claim: SignatureClaim): string | undefined {
  if (!claim.signedHeaders.includes('host')) return 'host'
  for (const name of fields.names()) {
    if (name.startsWith('x-amz-') && !claim.signedHeaders.includes(name)) return name
  }
  return claim.signedHeaders.find(name => !fields.has(name))
}

/** S3 alone takes a body that nothing covers. */
function payloadOf(
  { fields, body }: AwsRequest,
  { place, scope }: SignatureClaim,
): { kind: PayloadClaim; hash: string } | { kind: 'wrong-payload' } {
  const isS3 = scope.service === 's3'
  const said = fields.get('x-amz-content-sha256')
  if (said === undefined && place === 'query' && isS3) {
    return { kind: 'unsigned', hash: UNSIGNED_PAYLOAD }
  }
  if (said === UNSIGNED_PAYLOAD && isS3) return { kind: 'unsigned', hash: said }
  const actual = sha256Hex(body)
  if (said !== undefined && said !== actual) return { kind: 'wrong-payload' }
  return { kind: 'signed', hash: actual }
}

function pathStyleOf({ service }: CredentialScope): PathStyle {
  return service === 's3' ? 'as-is' : 'encoded'
}
