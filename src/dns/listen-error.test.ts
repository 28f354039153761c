import { describe, expect, it } from 'vitest'
import { listenError } from './listen-error.ts'

describe('listenError', () => {
  it.each([
    ['EADDRINUSE', 'DNS_PORT_TAKEN', /"127\.0\.0\.1" port 53: another program/],
    ['EACCES', 'DNS_PORT_DENIED', /port 53: this user may not/],
    ['EADDRNOTAVAIL', 'DNS_HOST_UNKNOWN', /no such address/],
  ])('makes of %s a %s with something to try', (systemCode, code, message) => {
    const cause = Object.assign(new Error('bind'), { code: systemCode })
    const error = listenError(cause, '127.0.0.1', 53)
    expect(error).toMatchObject({ code, cause, hint: expect.any(String) })
    expect((error as Error).message).toMatch(message)
  })

  it('passes other errors on', () => {
    const cause = Object.assign(new Error('bind'), { code: 'EMFILE' })
    expect(listenError(cause, '127.0.0.1', 53)).toBe(cause)
  })
})
