import { randomBytes } from 'node:crypto'

/**
 * The key that session tickets are sealed with. All processes that serve one address need the
 * same, or a viewer who comes to another one handshakes anew. Plain, to be sent as a message.
 */
export interface TicketKey {
  /** Base64 of 48 octets: name, HMAC key and AES key, as OpenSSL has them. */
  key: string
  createdMs: number
}

/** Whoever steals a key reads the TLS 1.2 sessions of this long, so it is kept short. */
export const TICKET_KEY_LIFETIME_MS = 12 * 3_600_000
export const TICKET_KEY_OCTETS = 48

/** The key in use, or its successor when its time is over. The same object while nothing changes. */
export function currentTicketKey(key: TicketKey | undefined, now: number): TicketKey {
  // A clock that was set back must not keep a key for ever.
  const isCurrent =
    key !== undefined && now < key.createdMs + TICKET_KEY_LIFETIME_MS && now >= key.createdMs
  if (isCurrent) return key
  return { key: randomBytes(TICKET_KEY_OCTETS).toString('base64'), createdMs: now }
}
