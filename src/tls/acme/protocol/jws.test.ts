import { createPublicKey, verify } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createKey } from '../../x509/certificate.ts'
import { bindExternalAccount, publicJwk, signJws, thumbprint } from './jws.ts'

const decode = (text: string) => JSON.parse(Buffer.from(text, 'base64url').toString())

describe('JWS', () => {
  const key = createKey()
  const header = { nonce: 'n', url: 'https://authority.test/x', kid: 'k' }

  it('is signed with ES256 over header and payload', () => {
    const jws = signJws(key, header, { a: 1 })
    expect(decode(jws.protected)).toEqual({ alg: 'ES256', ...header })
    expect(decode(jws.payload)).toEqual({ a: 1 })
    const signature = Buffer.from(jws.signature, 'base64url')
    expect(signature).toHaveLength(64)
    const content = Buffer.from(`${jws.protected}.${jws.payload}`)
    const verifier = { key: createPublicKey(key), dsaEncoding: 'ieee-p1363' } as const
    expect(verify('sha256', content, verifier, signature)).toBe(true)
  })

  it('has an empty payload to read, and an empty object to answer a challenge', () => {
    expect(signJws(key, header, undefined).payload).toBe('')
    expect(decode(signJws(key, header, {}).payload)).toEqual({})
  })

  it('names a key by its required members in order, without the private one', () => {
    const jwk = publicJwk(key)
    expect(Object.keys(jwk)).toEqual(['crv', 'kty', 'x', 'y'])
    expect(thumbprint(key)).toMatch(/^[\w-]{43}$/)
    expect(thumbprint(key)).toBe(thumbprint(createPublicKey(key)))
  })

  it('binds the account key to an external account with its HMAC key', () => {
    const account = { keyId: 'kid-1', hmacKey: Buffer.alloc(32).toString('base64url') }
    const jws = bindExternalAccount(account, key, 'https://authority.test/account')
    expect(decode(jws.protected)).toEqual({
      alg: 'HS256',
      kid: 'kid-1',
      url: 'https://authority.test/account',
    })
    expect(decode(jws.payload)).toEqual(publicJwk(key))
    expect(Buffer.from(jws.signature, 'base64url')).toHaveLength(32)
  })
})
