import { expect, it } from 'vitest'
import { publicAddresses } from '../../cloud/zones.ts'
import { answeredAddresses } from './up.ts'

it('answers in DNS with the one address it listens on, else with the machine’s own', () => {
  expect(answeredAddresses('127.0.0.1')).toEqual(['127.0.0.1'])
  expect(answeredAddresses('2001:db8::1')).toEqual(['2001:db8::1'])
  for (const everywhere of ['0.0.0.0', '::', 'localhost']) {
    expect(answeredAddresses(everywhere), everywhere).toEqual(publicAddresses())
  }
})
