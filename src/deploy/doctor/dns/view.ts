import { getServers } from 'node:dns'
import { RCODE } from '../../../dns/wire/codes.ts'
import type { ResourceRecord } from '../../../dns/wire/message.ts'
import type { RecordData } from '../../../dns/wire/record-data.ts'
import { MokaError } from '../../../shared/errors.ts'
import { type AskServer, createAskServer, type DnsQuestion } from './ask-server.ts'

/** How the DNS of the world is seen from here. */
export interface DnsView {
  ask: AskServer
  /** Servers that find out for others, in the order they are asked. */
  resolvers: readonly string[]
}

/** The name does not exist; it has no such records; or it has these. */
export type Looked =
  | { kind: 'name error' }
  | { kind: 'no data' }
  | { kind: 'records'; data: RecordData[] }

export function systemDns(): DnsView {
  return { ask: createAskServer(), resolvers: getServers() }
}

/** As resolvers see it, caches included. Throws `DNS_NO_ANSWER` where none of them answers. */
export async function look(
  view: DnsView,
  name: string,
  type: DnsQuestion['type'],
  signal?: AbortSignal,
): Promise<Looked> {
  let failure: unknown
  for (const resolver of view.resolvers.slice(0, 2)) {
    try {
      const message = await view.ask(resolver, { name, type, isRecursive: true }, signal)
      if (message.rcode === RCODE.NXDOMAIN) return { kind: 'name error' }
      if (message.rcode === RCODE.NOERROR) {
        const data = recordsOf(message.answers, type).map(record => record.data)
        return data.length === 0 ? { kind: 'no data' } : { kind: 'records', data }
      }
      failure = new Error(`rcode ${message.rcode}`)
    } catch (error) {
      failure = error
    }
  }
  if (failure instanceof MokaError) throw failure
  throw new MokaError(
    'DNS_NO_ANSWER',
    `cannot look up ${name} ${type}: ${failure === undefined ? 'this machine has no resolver' : `the resolver failed (${(failure as Error).message})`}`,
    { hint: 'is this machine on the network? what does /etc/resolv.conf say?', cause: failure },
  )
}

/** Addresses of a host, IPv4 first; empty where it has none. */
export async function lookAddresses(
  view: DnsView,
  name: string,
  signal?: AbortSignal,
): Promise<string[]> {
  const looked = await Promise.all([
    look(view, name, 'A', signal),
    look(view, name, 'AAAA', signal),
  ])
  return looked.flatMap(each =>
    each.kind === 'records'
      ? each.data.flatMap(data => ('address' in data ? [data.address] : []))
      : [],
  )
}

export function recordsOf(
  records: readonly ResourceRecord[],
  type: DnsQuestion['type'],
): ResourceRecord[] {
  // A type that has no shape of its own, as DS, comes as octets.
  return records.filter(({ data }) =>
    data.type === 'OTHER' ? type === 'DS' && data.code === DS : data.type === type,
  )
}

const DS = 43

/** In lower case, without the dot at its end. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}
