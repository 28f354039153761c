import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'

/** 16 MB and some 50 ms for each attempt, which a small machine can afford and a guesser cannot. */
const COST = { N: 16_384, r: 8, p: 1 } as const
const HASH_BYTES = 32
const SALT_BYTES = 16
const HASH = /^scrypt-16384-8-1:([A-Za-z0-9_-]{22}):([A-Za-z0-9_-]{43})$/

/** What is kept of a password: `scrypt-16384-8-1:salt:hash`, both base64url (RFC 7914). */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const hash = await derive(password, salt)
  return `scrypt-16384-8-1:${salt.toString('base64url')}:${hash.toString('base64url')}`
}

/** Whether a text is what {@link hashPassword} makes. */
export function isPasswordHash(text: string): boolean {
  return HASH.test(text)
}

/** Takes as long wherever the two differ; false for a hash that is none. */
export async function verifyPassword(password: string, kept: string): Promise<boolean> {
  const [, salt, hash] = HASH.exec(kept) ?? []
  if (salt === undefined || hash === undefined) return false
  const derived = await derive(password, Buffer.from(salt, 'base64url'))
  return timingSafeEqual(derived, Buffer.from(hash, 'base64url'))
}

/** The same text can be typed in several ways: NFC, as RFC 8265 §4.2 has it. */
function derive(password: string, salt: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) =>
    scrypt(
      password.normalize('NFC'),
      salt,
      HASH_BYTES,
      COST,
      (error, key) => (error instanceof Error ? reject(error) : resolve(key)), // Bun says undefined where Node says null
    ),
  )
}
