import { createAskServer } from '../../src/deploy/doctor/dns/ask-server.ts'
import type { DnsView } from '../../src/deploy/doctor/dns/view.ts'
import type { DnsRecord } from '../../src/dns/record.ts'
import { openDnsServer } from '../../src/dns/server.ts'
import { createZone } from '../../src/dns/zone/create-zone.ts'
import { silentLogger } from '../../src/shared/logger.ts'

export interface World {
  view: DnsView
  close(): Promise<void>
}

/** A server of these zones, by origin, which is everybody's resolver, too. Its name is ns.test. */
export async function openWorld(zones: Record<string, DnsRecord[]>): Promise<World> {
  const nameServers = ['ns.test.']
  const test: DnsRecord[] = [{ name: 'ns', type: 'A', value: '127.0.0.1' }]
  const server = await openDnsServer({
    host: '127.0.0.1',
    port: 0,
    logger: silentLogger,
    zones: Object.entries({ test, ...zones }).map(([origin, records]) =>
      createZone({ origin, nameServers, serial: 1, records }),
    ),
  })
  return {
    view: {
      ask: createAskServer({ port: server.port, timeoutMs: 10_000 }),
      resolvers: ['127.0.0.1'],
    },
    close: () => server.close(),
  }
}

/** The same view, in which a zone has a DS record with this key tag. */
export function withDs(view: DnsView, zone: string, keyTag: number): DnsView {
  return {
    ...view,
    async ask(server, question, signal) {
      const message = await view.ask(server, question, signal)
      if (question.type !== 'DS' || question.name !== zone) return message
      const octets = Uint8Array.of(keyTag >> 8, keyTag & 0xff, 13, 2, 1, 2, 3)
      const data = { type: 'OTHER', code: 43, octets } as const
      return { ...message, answers: [{ name: `${zone}.`, class: 1, ttlSeconds: 60, data }] }
    },
  }
}
