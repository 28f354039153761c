import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { createAskServer } from '../../src/deploy/doctor/dns/ask-server.ts'
import { openDnsServer } from '../../src/dns/server.ts'
import { decodeMessage, encodeMessage } from '../../src/dns/wire/message.ts'
import { createZone } from '../../src/dns/zone/create-zone.ts'
import { silentLogger } from '../../src/shared/logger.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** The servers of `org`, which delegate example.org. */
async function openOrg(): Promise<string> {
  const server = await openDnsServer({
    host: '127.0.0.1',
    port: 0,
    logger: silentLogger,
    zones: [
      createZone({
        origin: 'org',
        nameServers: ['a0.nic.org.'],
        serial: 1,
        records: [
          { name: 'a0.nic', type: 'A', value: '192.0.2.1' },
          { name: 'example', type: 'NS', value: ['ns1.old.net.', 'ns2.old.net.'] },
          {
            name: 'long',
            type: 'TXT',
            value: Array.from({ length: 9 }, (_, at) => `${at}`.repeat(250)),
          },
        ],
      }),
    ],
  })
  closers.push(() => server.close())
  return `127.0.0.1:${server.port}`
}

/** Sends every query's bytes back, changed. */
async function openLiar(change: (octets: Uint8Array) => Uint8Array): Promise<string> {
  const socket = createSocket('udp4')
  socket.on('message', (octets, from) => socket.send(change(octets), from.port, from.address))
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  closers.push(() => socket.close())
  return `127.0.0.1:${socket.address().port}`
}

describe('createAskServer', () => {
  it('hears a referral of the zone above, which is no answer for a resolver', async () => {
    const message = await createAskServer()(await openOrg(), { name: 'example.org', type: 'NS' })
    expect(message.answers).toEqual([])
    expect(message.authorities.map(({ name, data }) => [name, data])).toEqual([
      ['example.org.', { type: 'NS', target: 'ns1.old.net.' }],
      ['example.org.', { type: 'NS', target: 'ns2.old.net.' }],
    ])
  })

  it('asks once more by TCP where the answer does not fit into a datagram', async () => {
    const message = await createAskServer()(await openOrg(), { name: 'long.org', type: 'TXT' })
    expect(message.isTruncated).toBe(false)
    expect(message.answers).toHaveLength(9)
  })

  it('takes no answer to another question', async () => {
    const server = await openLiar(octets => {
      const decoded = decodeMessage(octets)
      if (decoded.kind === 'malformed') throw new Error(decoded.reason)
      const { message } = decoded
      return encodeMessage({ ...message, isResponse: true, id: message.id ^ 1 })
    })
    await expect(
      createAskServer({ timeoutMs: 50 })(server, { name: 'example.org', type: 'NS' }),
    ).rejects.toMatchObject({ code: 'DNS_NO_ANSWER' })
  })

  it('tells at once that nothing listens there', async () => {
    const server = await openLiar(octets => octets)
    await closers.pop()?.()
    await expect(
      createAskServer({ timeoutMs: 60_000 })(server, { name: 'example.org', type: 'NS' }),
    ).rejects.toMatchObject({
      code: 'DNS_NO_ANSWER',
      message: expect.stringContaining('ECONNREFUSED'),
    })
  })
})
