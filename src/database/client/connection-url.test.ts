import { describe, expect, it } from 'vitest'
import { describeServer, formatConnectionUrl, parseConnectionUrl } from './connection-url.ts'

describe('parseConnectionUrl', () => {
  it('decodes every part and takes the defaults of libpq', () => {
    expect(parseConnectionUrl('postgres://a%40b:p%2Fw%3A@db.example/my%20db')).toMatchObject({
      host: 'db.example',
      port: 5432,
      user: 'a@b',
      password: 'p/w:',
      database: 'my db',
      sslMode: 'prefer',
      connectTimeoutSeconds: 10,
      parameters: {},
    })
    expect(parseConnectionUrl('postgresql://me@h')).toMatchObject({ user: 'me', database: 'me' })
  })

  it.each([
    ['?sslmode=disable', 'disable'],
    ['?sslmode=allow', 'prefer'],
    ['?sslmode=require', 'require'],
    ['?sslmode=require&sslrootcert=/ca.pem', 'verify-ca'],
    ['?sslmode=verify-full', 'verify-full'],
    ['?sslrootcert=system', 'verify-full'],
  ])('reads %s as %s', (query, mode) => {
    expect(parseConnectionUrl(`postgres://u:p@h/d${query}`).sslMode).toBe(mode)
  })

  it('keeps settings of the client from the server, and passes on those of the session', () => {
    const url =
      'postgres://u:p@h/d?sslmode=require&channel_binding=require&options=-c%20x%3D1&search_path=a'
    expect(parseConnectionUrl(url).parameters).toEqual({ options: '-c x=1', search_path: 'a' })
  })

  it.each([
    ['postgres://u@[::1]:6000/d', '[::1]:6000'],
    ['postgres://u@%2Frun%2Fpg/d', '/run/pg/.s.PGSQL.5432'],
    ['postgres://u@/d?host=/run/pg&port=5433', '/run/pg/.s.PGSQL.5433'],
  ])('reads the server of %s', (url, server) => {
    expect(describeServer(parseConnectionUrl(url))).toBe(server)
  })

  it.each([
    'mysql://u:secret@h/d',
    'postgres://u:sec/ret@h/d',
    'postgres://u:secret%@h/d',
    'postgres://u:secret@h/d?sslmode=secure',
    'postgres://:secret@h/d',
    'postgres://u:secret@h1:1,h2:2/d',
    'postgres://u:secret@h/d?port=99999',
  ])('refuses %s without repeating the password', url => {
    expect(() => parseConnectionUrl(url)).toThrow(
      expect.objectContaining({
        code: 'DATABASE_URL_INVALID',
        message: expect.not.stringMatching(/sec(ret|\/)/),
      }),
    )
  })

  it('reads back what formatConnectionUrl writes', () => {
    const target = { host: '::1', port: 1, user: 'ü@:/', password: '%/?#[]@:', database: 'a b' }
    expect(parseConnectionUrl(formatConnectionUrl(target))).toMatchObject(target)
  })
})
