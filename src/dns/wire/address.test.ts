import { isIPv4, isIPv6 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from './address.ts'

describe('IPv4 addresses', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(fc.ipV4(), text => {
        expect(formatIpv4(parseIpv4(text)!)).toBe(text)
      }),
    )
  })

  it.each(['192.0.2', '192.0.2.256', '192.0.02.1', '192.0.2.1.', ' 192.0.2.1', '1e1.0.0.1', ''])(
    'are not %s',
    text => {
      expect(parseIpv4(text)).toBeUndefined()
      expect(isIPv4(text)).toBe(false)
    },
  )
})

describe('IPv6 addresses', () => {
  const octets = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 255 })), {
    minLength: 16,
    maxLength: 16,
  })

  it('come back as the octets they were', () => {
    fc.assert(
      fc.property(octets, address => {
        expect(parseIpv6(formatIpv6(address))).toEqual(address)
      }),
    )
  })

  it('are read in every form that Node reads', () => {
    fc.assert(
      fc.property(fc.ipV6(), text => {
        expect(isIPv6(text)).toBe(true)
        expect(parseIpv6(text)).toHaveLength(16)
      }),
    )
  })

  it('are those that Node says are, whatever the text', () => {
    const text = fc.string({
      unit: fc.constantFrom('0', '1', 'f', ':', '::', '.', 'g'),
      maxLength: 20,
    })
    fc.assert(
      fc.property(text, candidate => {
        expect(parseIpv6(candidate) !== undefined).toBe(isIPv6(candidate))
      }),
      { numRuns: 2000 },
    )
  })

  it.each([
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::ffff:c000:0201', '::ffff:192.0.2.1'],
    ['1::', '1::'],
  ])('%s is written as %s (RFC 5952)', (text, canonical) => {
    expect(formatIpv6(parseIpv6(text)!)).toBe(canonical)
  })
})
