import { networkInterfaces } from 'node:os'
import { type Delegation, findDelegation } from '../../../deploy/doctor/dns/delegation.ts'
import { type DnsView, lookAddresses } from '../../../deploy/doctor/dns/view.ts'
import type { Check, Found } from '../../../deploy/doctor/finding.ts'

/** Whether the domain leads to this machine: by its name servers, or by an address alone. */
export function domainCheck(domain: string, dns: DnsView): Check {
  return {
    name: 'domain',
    async run(signal) {
      const [delegation, addresses] = await Promise.all([
        findDelegation(dns, domain, signal),
        lookAddresses(dns, domain, signal),
      ])
      const servers = delegation.kind === 'delegated' ? delegation.nameServers : []
      const hosts = await Promise.all(
        servers.map(server => lookAddresses(dns, server, signal).catch(() => [])),
      )
      return describeDomain(domain, delegation, {
        addresses,
        hosts: hosts.flat(),
        own: ownAddresses(),
      })
    },
  }
}

export function describeDomain(
  domain: string,
  delegation: Delegation,
  { addresses, hosts, own }: Record<'addresses' | 'hosts' | 'own', readonly string[]>,
): Found {
  const isOwn = (address: string) => own.includes(address)
  if (hosts.some(isOwn)) {
    return { level: 'ok', what: `${domain} is delegated to this machine` }
  }
  if (addresses.some(isOwn)) {
    const by = delegation.kind === 'delegated' ? ` by ${delegation.nameServers[0]}` : ''
    return { level: 'ok', what: `${domain} leads to this machine${by}` }
  }
  const why =
    'visitors from elsewhere find the site by its name when that leads here; to try it nothing is needed'
  if (delegation.kind === 'unknown' && !delegation.parent.includes('.')) {
    const what = `"${delegation.parent}" does not know ${domain}: it is not registered, or not there yet`
    return { level: 'note', what, why }
  }
  const set = `at the registrar name this machine as ns1.${domain} with its public address, or give ${domain} that address`
  const to =
    addresses.length > 0
      ? `leads to ${addresses.join(', ')}, which is no address of this machine (behind a router it may be right)`
      : delegation.kind === 'delegated'
        ? `is delegated to ${delegation.nameServers.join(', ')}, which give it no address`
        : 'is delegated to nobody'
  return { level: 'note', what: `${domain} ${to}`, why, fix: set }
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap(list => list ?? [])
    .map(({ address }) => address)
}
