import { expect, it } from 'vitest'
import { publicAddresses } from '../../cloud/zones.ts'
import { answeredAddresses, requireSensible } from './up.ts'

it('answers in DNS with the one address it listens on, else with the machine’s own', () => {
  expect(answeredAddresses('127.0.0.1')).toEqual(['127.0.0.1'])
  expect(answeredAddresses('2001:db8::1')).toEqual(['2001:db8::1'])
  for (const everywhere of ['0.0.0.0', '::', 'localhost']) {
    expect(answeredAddresses(everywhere), everywhere).toEqual(publicAddresses())
  }
})

it.each([
  ['a name in place of an address', { address: ['192.0.2.1', 'server'] }, '"server"'],
  ['an e-mail address without @', { acmeEmail: 'me' }, '"me"'],
  ['an authority without an e-mail address', { acmeDirectory: 'https://a.example' }, 'alone'],
  ['no address of an authority', { acmeEmail: 'a@b.example', acmeDirectory: 'staging' }, 'staging'],
])('%s is refused before anything starts', (_what, options, problem) => {
  expect(() => requireSensible(options)).toThrow(problem)
  expect(() =>
    requireSensible({ address: ['2001:db8::1'], acmeEmail: 'a@b.example' }),
  ).not.toThrow()
})
