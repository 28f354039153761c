import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DnsServer, openDnsServer } from '../../../src/dns/server.ts'
import { RCODE } from '../../../src/dns/wire/codes.ts'
import { encodeFrameLength } from '../../../src/dns/wire/frames.ts'
import { decodeMessage } from '../../../src/dns/wire/message.ts'
import { silentLogger } from '../../../src/shared/logger.ts'
import { exampleZone } from './example-zone.ts'
import packets from './malformed.json' with { type: 'json' }

/**
 * Packets written for this test after RFC 1035, 3597, 6891, 7766 and 9619: what each is, whether
 * it is a message at all, and what a server that serves example.org says to it.
 */
interface Packet {
  name: string
  hex: string
  decodes: boolean
  server: string
}

/** A query that has an answer: where it comes, what was sent before got silence. */
const SENTINEL = Buffer.from('beef00000001000000000000076578616d706c65036f72670000060001', 'hex')

let server: DnsServer
beforeAll(async () => {
  const zones = [exampleZone]
  server = await openDnsServer({ host: '127.0.0.1', port: 0, zones, logger: silentLogger })
})
afterAll(() => server.close())

async function sendUdp(octets: Uint8Array): Promise<Buffer> {
  const socket = createSocket('udp4')
  try {
    socket.connect(server.port, server.host)
    await once(socket, 'connect')
    socket.send(octets)
    socket.send(SENTINEL)
    const [response] = (await once(socket, 'message')) as [Buffer]
    return response
  } finally {
    socket.close()
  }
}

/** All that the server sends until it closes, or has no more queries to answer. */
async function sendTcp(octets: Uint8Array): Promise<Buffer> {
  const socket = connect(server.port, server.host)
  socket.end(Buffer.concat([encodeFrameLength(octets.length), octets]))
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk)
  return Buffer.concat(chunks).subarray(2)
}

function describeResponse(response: Buffer): string {
  if (response.length === 0 || response.readUInt16BE() === SENTINEL.readUInt16BE()) return 'silence'
  const decoded = decodeMessage(response)
  if (decoded.kind === 'malformed') return `malformed: ${decoded.reason}`
  const { rcode, isResponse } = decoded.message
  const name = Object.entries(RCODE).find(([, code]) => code === rcode)?.[0]
  return isResponse ? String(name) : 'not a response'
}

describe.each(packets as Packet[])('$name', ({ hex, decodes, server: expected }) => {
  const octets = Uint8Array.from(Buffer.from(hex, 'hex'))

  it(`is ${decodes ? 'decoded' : 'called malformed'}`, () => {
    expect(decodeMessage(octets).kind).toBe(decodes ? 'message' : 'malformed')
  })

  it(`gets ${expected} by UDP and by TCP`, async () => {
    expect(describeResponse(await sendUdp(octets))).toBe(expected)
    expect(describeResponse(await sendTcp(octets))).toBe(expected)
  })
})
