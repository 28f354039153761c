import { expect, test } from 'vitest'
import { clientAddress, normaliseAddress, parseTrustedProxies } from './client-address.ts'

const TRUSTED = parseTrustedProxies(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32'])

test.each([
  ['203.0.113.5', undefined, '203.0.113.5'],
  ['203.0.113.5', '1.1.1.1', '203.0.113.5'],
  ['::ffff:203.0.113.5', '1.1.1.1', '203.0.113.5'],
  ['10.1.2.3', '1.1.1.1', '1.1.1.1'],
  ['::ffff:10.1.2.3', '1.1.1.1', '1.1.1.1'],
  ['10.1.2.3', '6.6.6.6, 1.1.1.1', '1.1.1.1'],
  ['10.1.2.3', '6.6.6.6, 1.1.1.1, 192.0.2.7', '1.1.1.1'],
  ['10.1.2.3', '10.9.9.9', '10.9.9.9'],
  ['10.1.2.3', 'unknown', '10.1.2.3'],
  ['10.1.2.3', '1.1.1.1, nonsense', '10.1.2.3'],
  ['10.1.2.3', '', '10.1.2.3'],
  ['10.1.2.3', '1.1.1.1:443', '1.1.1.1'],
  ['10.1.2.3', '[2001:db9::1]:443', '2001:db9::1'],
  ['2001:db8::1', '2001:db9::1', '2001:db9::1'],
  ['10.1.2.3', '::ffff:1.2.3.4', '1.2.3.4'],
  ['fe80::1%eth0', undefined, 'fe80::1'],
])('%s forwarding for %s is %s', (peer, forwardedFor, expected) => {
  expect(clientAddress(peer, forwardedFor, TRUSTED)).toBe(expected)
})

test('nobody is trusted unless named', () => {
  expect(clientAddress('127.0.0.1', '1.1.1.1', parseTrustedProxies([]))).toBe('127.0.0.1')
})

test.each(['10.0.0.0/33', 'proxy.test', '10.0.0.0/x', '', '::/129'])(
  'refuses %j by name',
  block => {
    expect(() => parseTrustedProxies([block])).toThrow(`cannot trust proxies "${block}"`)
  },
)

test('an IPv4 address mapped into IPv6 is IPv4', () => {
  expect(normaliseAddress('::FFFF:1.2.3.4')).toBe('1.2.3.4')
  expect(normaliseAddress('::1')).toBe('::1')
})
