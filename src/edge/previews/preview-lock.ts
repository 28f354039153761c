import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import pLimit from 'p-limit'
import type { Fields } from '../../http/fields.ts'
import { verifyPassword } from '../../shared/password-hash.ts'

/** Passwords that were right are remembered, by their hash: to try one takes 50 ms. */
const MAX_REMEMBERED = 1024
/** Attempts that wait for their turn; guessing takes no more than one core, and all else goes on. */
const MAX_WAITING = 16
const COOKIE = 'moka-preview'
const COOKIE_PAIR = new RegExp(`(?:^|;)\\s*${COOKIE}=([^;]*)`)

export type Admission =
  /** With the cookie that lets a browser in from now on, where it came by the password. */
  { kind: 'admitted'; setCookie?: string } | { kind: 'refused' } | { kind: 'busy' }

/** Tells who may see a locked preview: by its password (RFC 7617, any name), or the cookie for it. */
export class PreviewLock {
  readonly #remembered = new Set<string>()
  readonly #turn = pLimit(1)

  /**
   * What has let a request in is taken out of its fields: it is none of the site's business, and a
   * page may send an Authorization of its own once it has the cookie.
   */
  async admit(fields: Fields, passwordHash: string): Promise<Admission> {
    const cookie = cookieValue(passwordHash)
    const [, given] = COOKIE_PAIR.exec(cookiesOf(fields)) ?? []
    if (given !== undefined && isSame(given, cookie)) {
      removeCookie(fields)
      return { kind: 'admitted' }
    }
    const password = passwordOf(fields.get('authorization'))
    if (password === undefined) return { kind: 'refused' }
    const outcome = await this.#try(password, passwordHash)
    if (outcome !== 'right') return { kind: outcome === 'busy' ? 'busy' : 'refused' }
    fields.delete('authorization')
    removeCookie(fields)
    return { kind: 'admitted', setCookie: `${COOKIE}=${cookie}; Path=/; HttpOnly; SameSite=Lax` }
  }

  async #try(password: string, passwordHash: string): Promise<'right' | 'wrong' | 'busy'> {
    const known = createHash('sha256').update(`${passwordHash}\n${password}`).digest('base64')
    if (this.#remembered.has(known)) return 'right'
    if (this.#turn.pendingCount >= MAX_WAITING) return 'busy'
    const isRight = await this.#turn(
      () => this.#remembered.has(known) || verifyPassword(password, passwordHash),
    )
    if (!isRight) return 'wrong'
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear()
    this.#remembered.add(known)
    return 'right'
  }
}

/** The same on every worker, and good for as long as the password is. */
function cookieValue(passwordHash: string): string {
  return createHmac('sha256', passwordHash).update('moka-preview cookie').digest('base64url')
}

function passwordOf(authorization: string | undefined): string | undefined {
  const match = /^basic\s+([A-Za-z0-9+/]+=*)\s*$/i.exec(authorization ?? '')
  if (match === null) return undefined
  const pair = Buffer.from(match[1]!, 'base64').toString('utf8')
  const colon = pair.indexOf(':')
  return colon === -1 ? undefined : pair.slice(colon + 1)
}

/** HTTP/2 may send a field for each cookie (RFC 9113 §8.2.3). */
function cookiesOf(fields: Fields): string {
  return fields.lines('cookie').join('; ')
}

function removeCookie(fields: Fields): void {
  if (!fields.has('cookie')) return
  const left = cookiesOf(fields)
    .split(';')
    .map(pair => pair.trim())
    .filter(pair => pair !== '' && !pair.startsWith(`${COOKIE}=`))
  if (left.length === 0) fields.delete('cookie')
  else fields.set('cookie', left.join('; '))
}

function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
