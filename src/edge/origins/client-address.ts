import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'
import { splitList } from '../../http/field-lists.ts'
import { MokaError } from '../../shared/errors.ts'

export interface TrustedProxies {
  /** Nobody is trusted: then the fields that proxies set mean nothing. */
  readonly isEmpty: boolean
  includes(address: string): boolean
}

/** Throws `EDGE_TRUSTED_PROXY_INVALID` for what is neither an address nor a CIDR block. */
export function parseTrustedProxies(blocks: readonly string[]): TrustedProxies {
  const list = new BlockList()
  for (const block of blocks) {
    const [text = '', prefix] = block.split('/')
    const address = normaliseAddress(text)
    const family = isIPv4(address) ? 'ipv4' : 'ipv6'
    const bits = Number(prefix ?? (family === 'ipv4' ? 32 : 128))
    const isBlock = isIP(address) !== 0 && /^\d+$/.test(prefix ?? '0')
    if (!isBlock || bits > (family === 'ipv4' ? 32 : 128)) {
      throw new MokaError(
        'EDGE_TRUSTED_PROXY_INVALID',
        `cannot trust proxies "${block}": not an address or CIDR block`,
        { hint: 'write 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32' },
      )
    }
    list.addSubnet(address, bits, family)
  }
  return {
    isEmpty: blocks.length === 0,
    includes: address =>
      isIP(address) !== 0 && list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6'),
  }
}

/** An IPv4 address that came through an IPv6 socket, as IPv4; a zone id is cut off. */
export function normaliseAddress(address: string): string {
  const bare = address.replace(/%.*$/, '')
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)
  return mapped?.[1] !== undefined && isIPv4(mapped[1]) ? mapped[1] : bare
}

/**
 * The address of whoever asked. X-Forwarded-For is read from the right, for its left part is
 * whatever a viewer liked to write: each hop counts only while the one after it is trusted.
 */
export function clientAddress(
  peerAddress: string,
  forwardedFor: string | undefined,
  trusted: TrustedProxies,
): string {
  let client = normaliseAddress(peerAddress)
  for (const hop of splitList(forwardedFor ?? '').reverse()) {
    if (!trusted.includes(client)) break
    const address = parseHop(hop)
    if (address === undefined) break
    client = address
  }
  return client
}

/** An address, with or without a port: `192.0.2.1:80`, `[2001:db8::1]:80`. */
function parseHop(hop: string): string | undefined {
  const bracketed = /^\[([^\]]+)\](?::\d+)?$/.exec(hop)
  const withPort = /^([\d.]+):\d+$/.exec(hop)
  const address = normaliseAddress(bracketed?.[1] ?? withPort?.[1] ?? hop)
  if (bracketed !== null && !isIPv6(address)) return isIPv4(address) ? address : undefined
  return isIP(address) === 0 ? undefined : address
}
