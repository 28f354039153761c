import { isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { DnsRecord } from '../dns/record.ts'
import { createZone } from '../dns/zone/create-zone.ts'
import type { Zone } from '../dns/zone/zone.ts'
import type { ReleaseDraft } from '../releases/manifest.ts'

/**
 * The zone of a project's domain: its own records, and addresses of the edge for the domain,
 * `www`, previews and the name server where it says nothing else itself. Previews have theirs before
 * there is one, so that no resolver remembers that there was none. Throws on a record with an error.
 */
export function zoneOf(
  release: ReleaseDraft,
  addresses: readonly string[],
  serial: number,
  challenges: readonly { name: string; value: string }[] = [],
): Zone | undefined {
  const { domain } = release
  if (domain === undefined) return undefined
  const own = release.dns.records as DnsRecord[]
  const nameServers = own
    .filter(record => record.name === '@' && record.type === 'NS')
    .flatMap(record => record.value)
  const isTaken = (name: string, type: string) =>
    own.some(
      record => isSameName(record.name, name, domain) && [type, 'CNAME'].includes(record.type),
    )
  const defaults = ['@', 'www', '*.preview', ...(nameServers.length === 0 ? ['ns1'] : [])].flatMap(
    name => addresses.map(value => ({ name, type: isIPv6(value) ? 'AAAA' : 'A', value }) as const),
  )
  return createZone({
    origin: domain,
    nameServers: nameServers.length === 0 ? ['ns1'] : nameServers,
    records: [
      ...own,
      ...defaults.filter(({ name, type }) => !isTaken(name, type)),
      ...challenges
        .filter(({ name }) => name.endsWith(`.${domain}.`))
        .map(({ name, value }) => ({ name, type: 'TXT', value, ttlSeconds: 0 }) as const),
    ],
    serial,
  })
}

function isSameName(written: string, name: string, domain: string): boolean {
  const absolute = name === '@' ? `${domain}.` : `${name}.${domain}.`
  return written.toLowerCase() === name || written.toLowerCase() === absolute
}

/** The machine's own addresses that others may reach; loopback where there is none. */
export function publicAddresses(): string[] {
  const external = Object.values(networkInterfaces())
    .flatMap(list => list ?? [])
    .filter(({ internal, address }) => !internal && !/^fe80:/i.test(address))
  const first = (family: string) =>
    external
      .filter(entry => entry.family === family)
      .slice(0, 1)
      .map(entry => entry.address)
  const found = [...first('IPv4'), ...first('IPv6')]
  return found.length === 0 ? ['127.0.0.1'] : found
}
