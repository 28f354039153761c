import { expect, it } from 'vitest'
import { hashPassword, isPasswordHash, verifyPassword } from './password-hash.ts'

it('knows a password again, however its letters were typed, and no other one', async () => {
  const kept = await hashPassword('sch\u00f6n')
  expect(isPasswordHash(kept)).toBe(true)
  expect(kept).not.toContain('sch')
  expect(await verifyPassword('scho\u0308n', kept)).toBe(true)
  expect(await verifyPassword('schon', kept)).toBe(false)
  expect(await verifyPassword('', kept)).toBe(false)
  expect(await hashPassword('sch\u00f6n')).not.toBe(kept)
})

it('is a hash that other programs make the same: RFC 7914 with N 16384, r 8, p 1', async () => {
  // hashlib.scrypt(b'moka', salt=bytes(16), n=16384, r=8, p=1, dklen=32) of Python 3.11
  const kept = `scrypt-16384-8-1:${'A'.repeat(22)}:c7YrjJhbAAy0fHD_Dk-TiOF2haln3oWessk04u6VUHw`
  expect(await verifyPassword('moka', kept)).toBe(true)
})

it.each(['', 'moka', 'scrypt-2-8-1:AAAAAAAAAAAAAAAAAAAAAA:AAAA'])('is none: %j', async text => {
  expect(isPasswordHash(text)).toBe(false)
  expect(await verifyPassword(text, text)).toBe(false)
})
