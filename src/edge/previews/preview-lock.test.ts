import { expect, it } from 'vitest'
import { Fields } from '../../http/fields.ts'
import { hashPassword } from '../../shared/password-hash.ts'
import { PreviewLock } from './preview-lock.ts'

const basic = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`
const request = (fields: Record<string, string>) => Fields.from(Object.entries(fields))

it('lets in by the password, with any name, and takes it out of the request', async () => {
  const hash = await hashPassword('open:up')
  const lock = new PreviewLock()
  const fields = request({ authorization: basic('lena:open:up'), accept: '*/*' })
  const admission = await lock.admit(fields, hash)
  expect(admission).toMatchObject({ kind: 'admitted' })
  expect([...fields]).toEqual([['accept', '*/*']])
})

it('lets in by its cookie on every worker, until the password changes', async () => {
  const hash = await hashPassword('one')
  const admission = await new PreviewLock().admit(request({ authorization: basic(':one') }), hash)
  const setCookie = admission.kind === 'admitted' ? admission.setCookie! : ''
  expect(setCookie).toMatch(/; HttpOnly; SameSite=Lax$/)
  const fields = () => {
    const own = request({ authorization: 'Bearer x' })
    return own.append('cookie', 'a=1').append('cookie', `${setCookie.split(';')[0]}; b=2`)
  }
  const again = fields()
  expect(await new PreviewLock().admit(again, hash)).toEqual({ kind: 'admitted' })
  expect([...again]).toEqual([
    ['authorization', 'Bearer x'],
    ['cookie', 'a=1; b=2'],
  ])
  const changed = await hashPassword('one')
  expect(await new PreviewLock().admit(fields(), changed)).toEqual({ kind: 'refused' })
})

it.each([
  ['nothing', {}],
  ['another password', { authorization: basic('x:two') }],
  ['the password as a name', { authorization: basic('one') }],
  ['another scheme', { authorization: 'Bearer one' }],
  ['no base64', { authorization: 'Basic ???' }],
  ['a cookie that is none', { cookie: 'moka-preview=one' }],
])('refuses who brings %s', async (_, fields: Record<string, string>) => {
  const hash = await hashPassword('one')
  expect(await new PreviewLock().admit(request(fields), hash)).toEqual({ kind: 'refused' })
})

it('tries few at a time: who guesses keeps no more than one core busy', async () => {
  const hash = await hashPassword('one')
  const lock = new PreviewLock()
  const guesses = Array.from({ length: 40 }, (_, number) =>
    lock.admit(request({ authorization: basic(`:${number}`) }), hash),
  )
  const kinds = (await Promise.all(guesses)).map(({ kind }) => kind)
  expect(kinds.filter(kind => kind === 'refused').length).toBeLessThanOrEqual(18)
  expect(kinds.filter(kind => kind === 'busy').length).toBeGreaterThan(20)
  // Whoever was let in before needs no turn.
  expect(await lock.admit(request({ authorization: basic(':one') }), hash)).toMatchObject({
    kind: 'admitted',
  })
})
