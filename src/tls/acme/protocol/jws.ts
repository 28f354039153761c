import { createHash, createHmac, type KeyObject, sign } from 'node:crypto'

/** Flattened JSON serialisation (RFC 7515 §7.2.2), which is what ACME sends. */
export interface Jws {
  protected: string
  payload: string
  signature: string
}

export type ProtectedHeader =
  | { nonce: string; url: string; jwk: PublicJwk }
  | { nonce: string; url: string; kid: string }

/** The members in the order that RFC 7638 §3 hashes them in. */
export interface PublicJwk {
  crv: string
  kty: string
  x: string
  y: string
}

/** Of a private key too: its own member is left out. */
export function publicJwk(key: KeyObject): PublicJwk {
  const { crv, kty, x, y } = key.export({ format: 'jwk' }) as unknown as PublicJwk
  return { crv, kty, x, y }
}

/** RFC 7638: names an account's key in what it proves. */
export function thumbprint(key: KeyObject): string {
  return createHash('sha256')
    .update(JSON.stringify(publicJwk(key)))
    .digest('base64url')
}

/** Signs with ES256 (RFC 7518 §3.4). `payload` undefined is a POST-as-GET (RFC 8555 §6.3). */
export function signJws(key: KeyObject, header: ProtectedHeader, payload: unknown): Jws {
  const unsigned = serialise({ alg: 'ES256', ...header }, payload)
  const content = Buffer.from(`${unsigned.protected}.${unsigned.payload}`)
  const signature = sign('sha256', content, { key, dsaEncoding: 'ieee-p1363' })
  return { ...unsigned, signature: signature.toString('base64url') }
}

/** Ties an account to one that the authority already knows of (RFC 8555 §7.3.4). */
export interface ExternalAccount {
  /** The identifier that the authority gave. */
  keyId: string
  /** The HMAC key that it gave, in base64url. */
  hmacKey: string
}

export function bindExternalAccount(account: ExternalAccount, key: KeyObject, url: string): Jws {
  const unsigned = serialise({ alg: 'HS256', kid: account.keyId, url }, publicJwk(key))
  const signature = createHmac('sha256', Buffer.from(account.hmacKey, 'base64url'))
    .update(`${unsigned.protected}.${unsigned.payload}`)
    .digest('base64url')
  return { ...unsigned, signature }
}

function serialise(header: object, payload: unknown): Omit<Jws, 'signature'> {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return { protected: encode(header), payload: payload === undefined ? '' : encode(payload) }
}
