import { isIP, SocketAddress } from 'node:net'
import { domainToASCII } from 'node:url'
import { MokaError } from '../../shared/errors.ts'

/** The form that names are compared in: lower case, A-labels, no dot at the end. */
export function normaliseHost(host: string): string {
  const bare = host.endsWith('.') ? host.slice(0, -1) : host
  const family = isIP(bare)
  if (family !== 0) return normaliseAddress(bare, family === 6 ? 'ipv6' : 'ipv4')
  const isWildcard = bare.startsWith('*.')
  const ascii = domainToASCII(isWildcard ? bare.slice(2) : bare)
  // The URL parser that converts drops line ends, and all from a slash on.
  if (
    /[^a-z0-9._*\u0080-\uffff-]/i.test(bare) ||
    !/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(ascii) ||
    ascii.length > 253
  ) {
    throw new MokaError('TLS_HOST_INVALID', `cannot use host name "${host}": it is none`, {
      hint: 'give a name such as example.org or *.example.org',
    })
  }
  return isWildcard ? `*.${ascii}` : ascii
}

const normaliseAddress = (address: string, family: 'ipv4' | 'ipv6') =>
  new SocketAddress({ address, family }).address

/**
 * Whether a certificate's name is for a host. A wildcard stands for exactly one label
 * (RFC 9525 §6.3), and never for a part of one.
 */
export function matchesPattern(pattern: string, host: string): boolean {
  const family = isIP(host)
  if (family !== 0) {
    return isIP(pattern) === family && normaliseHost(pattern) === normaliseHost(host)
  }
  return pattern === host || pattern === wildcardOf(host)
}

/** `*.example.org` for `www.example.org`; undefined for a name of one label. */
export function wildcardOf(host: string): string | undefined {
  const dot = host.indexOf('.')
  return dot <= 0 ? undefined : `*${host.slice(dot)}`
}
