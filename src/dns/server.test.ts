import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../shared/logger.ts'
import { type DnsServer, type DnsServerOptions, openDnsServer } from './server.ts'
import { TYPE } from './wire/codes.ts'
import { encodeFrameLength, FrameReader } from './wire/frames.ts'
import { type DnsMessage, decodeMessage, encodeMessage } from './wire/message.ts'
import { createZone } from './zone/create-zone.ts'

function zoneOf(origin: string, address = '192.0.2.1') {
  return createZone({
    origin,
    nameServers: ['ns.example.net.'],
    serial: 1,
    records: [
      { name: '@', type: 'A', value: address },
      { name: 'big', type: 'TXT', value: 'x'.repeat(20_000) },
    ],
  })
}

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function open(options: Partial<DnsServerOptions> = {}): Promise<DnsServer> {
  const server = await openDnsServer({
    host: '127.0.0.1',
    port: 0,
    zones: [zoneOf('example.org')],
    logger: silentLogger,
    ...options,
  })
  closers.push(() => server.close())
  return server
}

function query(name: string, type: number = TYPE.A, id = 1): Uint8Array {
  return encodeMessage({
    id,
    opcode: 0,
    rcode: 0,
    isResponse: false,
    isAuthoritative: false,
    isTruncated: false,
    recursionDesired: false,
    recursionAvailable: false,
    authenticData: false,
    checkingDisabled: false,
    questions: [{ name, type, class: 1 }],
    answers: [],
    authorities: [],
    additionals: [],
  })
}

const framed = (octets: Uint8Array) => Buffer.concat([encodeFrameLength(octets.length), octets])

function decode(octets: Uint8Array): DnsMessage {
  const decoded = decodeMessage(octets)
  if (decoded.kind === 'malformed') throw new Error(decoded.reason)
  return decoded.message
}

async function askUdp(server: DnsServer, ...packets: Uint8Array[]): Promise<DnsMessage> {
  const socket = createSocket(server.host.includes(':') ? 'udp6' : 'udp4')
  try {
    for (const packet of packets) socket.send(packet, server.port, server.host)
    const [octets] = (await once(socket, 'message')) as [Buffer]
    return decode(octets)
  } finally {
    socket.close()
  }
}

async function dial(server: DnsServer): Promise<Socket> {
  const socket = connect(server.port, server.host)
  closers.push(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** Reads `count` responses, or what comes until the server closes. */
async function receive(socket: Socket, count: number): Promise<DnsMessage[]> {
  const frames = new FrameReader({ minOctets: 12, maxOctets: 65535 })
  const messages: DnsMessage[] = []
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    frames.push(chunk as Buffer)
    for (let frame = frames.next(); frame.kind === 'message'; frame = frames.next()) {
      messages.push(decode(frame.octets))
    }
    if (messages.length >= count) break
  }
  return messages
}

describe('openDnsServer', () => {
  it('answers on UDP and TCP at one port', async () => {
    const server = await open()
    const byUdp = await askUdp(server, query('example.org.'))
    const socket = await dial(server)
    socket.write(framed(query('example.org.')))
    expect([byUdp]).toEqual(await receive(socket, 1))
    expect(byUdp.answers).toMatchObject([{ data: { address: '192.0.2.1' } }])
  })

  const hasIpv6 = Object.values(networkInterfaces())
    .flat()
    .some(found => found?.address === '::1')
  it.skipIf(!hasIpv6)('answers on IPv6 (skipped where the machine has none)', async () => {
    const server = await open({ host: '::1' })
    expect((await askUdp(server, query('example.org.'))).answers).toHaveLength(1)
    const socket = await dial(server)
    socket.write(framed(query('example.org.')))
    expect(await receive(socket, 1)).toHaveLength(1)
  })

  it('takes a host by its name', async () => {
    const server = await open({ host: 'localhost' })
    expect((await askUdp(server, query('example.org.'))).answers).toHaveLength(1)
  })

  it('goes on after packets that are none, and answers no response', async () => {
    const server = await open()
    const response = query('example.org.', TYPE.A, 7)
    response[2]! |= 0x80
    const junk = [new Uint8Array(0), new Uint8Array(5), new Uint8Array(60).fill(0xff), response]
    const answer = await askUdp(server, ...junk, query('example.org.', TYPE.A, 8))
    expect(answer.id).toBe(8)
  })

  it('answers from new zones as soon as they are set', async () => {
    const server = await open()
    await askUdp(server, query('example.org.'))
    server.setZones([zoneOf('example.org', '192.0.2.2'), zoneOf('other.test')])
    expect((await askUdp(server, query('example.org.'))).answers).toMatchObject([
      { data: { address: '192.0.2.2' } },
    ])
    expect((await askUdp(server, query('other.test.'))).answers).toHaveLength(1)
  })

  it('keeps its zones when new ones are refused', async () => {
    const server = await open()
    const twice = zoneOf('other.test')
    expect(() => server.setZones([twice, twice])).toThrow(/given twice/)
    expect((await askUdp(server, query('example.org.'))).answers).toHaveLength(1)
  })

  it('frees its port, and closes connections, when it is closed', async () => {
    const server = await open()
    const socket = await dial(server)
    const closed = once(socket, 'close')
    await server.close()
    await server.close()
    await closed
    const again = await open({ port: server.port })
    expect(again.port).toBe(server.port)
  })

  it('names a port that is taken, by TCP or by UDP, and keeps neither', async () => {
    const taken = createServer()
    taken.listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as { port: number }
    const refused = { code: 'DNS_PORT_TAKEN', message: expect.stringContaining(`port ${port}`) }
    await expect(open({ port })).rejects.toMatchObject(refused)
    taken.close()
    await once(taken, 'close')
    const server = await open({ port })
    await expect(open({ port: server.port })).rejects.toMatchObject(refused)
  })

  it('says that an address is not of this machine', async () => {
    await expect(open({ host: '192.0.2.1' })).rejects.toMatchObject({ code: 'DNS_HOST_UNKNOWN' })
  })
})

describe('a TCP connection', () => {
  it('gets the answers of pipelined queries in their order', async () => {
    const socket = await dial(await open())
    const names = ['example.org.', 'nope.example.org.', 'example.com.', 'big.example.org.']
    const queries = names.map((name, index) => framed(query(name, TYPE.TXT, index)))
    socket.write(Buffer.concat(queries))
    const answers = await receive(socket, names.length)
    expect(answers.map(({ id, rcode }) => [id, rcode])).toEqual([
      [0, 0],
      [1, 3],
      [2, 5],
      [3, 0],
    ])
  })

  it('may cut a query anywhere', async () => {
    const socket = await dial(await open())
    socket.setNoDelay(true)
    for (const octet of framed(query('example.org.'))) {
      await new Promise(resolve => socket.write(Uint8Array.of(octet), resolve))
    }
    expect(await receive(socket, 1)).toHaveLength(1)
  })

  it('gets its answers also when it has ended its own side', async () => {
    const socket = await dial(await open())
    socket.end(framed(query('example.org.')))
    expect(await receive(socket, 2)).toHaveLength(1)
  })

  it('is read no further while its answers are not taken, and then gets all of them', async () => {
    const socket = await dial(await open())
    const count = 1000
    const queries = Array.from({ length: count }, (_, id) =>
      framed(query('big.example.org.', TYPE.TXT, id)),
    )
    socket.write(Buffer.concat(queries))
    const answers = await receive(socket, count)
    expect(answers.map(answer => answer.id)).toEqual(queries.map((_, id) => id))
  })

  it.each([
    ['is shorter than a header', Buffer.from([0, 11])],
    ['is longer than a query can be', Buffer.from([0xff, 0xff])],
    ['is a response', framed(query('example.org.').with(2, 0x80))],
  ])('is closed when a message %s', async (_what, octets) => {
    const socket = await dial(await open())
    socket.write(framed(query('example.org.')))
    socket.write(octets)
    expect(await receive(socket, 2)).toHaveLength(1)
  })

  it('is closed after a time without a whole query, though octets come in', async () => {
    const socket = await dial(await open({ tcpIdleTimeoutMs: 100 }))
    socket.on('error', () => {})
    // The beginning of a message of 512 octets: whole, it would take five seconds to come.
    socket.write(Uint8Array.of(2, 0))
    const trickle = setInterval(() => socket.write(Uint8Array.of(0)), 10)
    // Not `once`, which fails at an error: what was on its way when it was closed is answered by a reset.
    await new Promise(resolve => socket.resume().once('close', resolve))
    clearInterval(trickle)
  })

  it('is closed for a new one when there are too many and it is the longest idle', async () => {
    const server = await open({ maxTcpConnections: 2 })
    const first = await dial(server)
    const second = await dial(server)
    for (const socket of [second, first]) {
      socket.write(framed(query('example.org.')))
      await receive(socket, 1)
    }
    const closed = once(second, 'close')
    const third = await dial(server)
    await closed
    for (const socket of [first, third]) {
      socket.write(framed(query('example.org.')))
      expect(await receive(socket, 1)).toHaveLength(1)
    }
  })
})
