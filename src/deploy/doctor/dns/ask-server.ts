import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import { CLASS, TYPE } from '../../../dns/wire/codes.ts'
import { type DnsMessage, decodeMessage, encodeMessage } from '../../../dns/wire/message.ts'
import { MokaError } from '../../../shared/errors.ts'

export interface DnsQuestion {
  /** Absolute, without a dot at its end. */
  name: string
  type: keyof typeof TYPE
  /** The server shall find out, as a resolver does; without it, it says what it knows itself. */
  isRecursive?: boolean
}

/** Asks one name server, `192.0.2.1`, `192.0.2.1:53` or `[::1]:53`. Throws `DNS_NO_ANSWER`. */
export type AskServer = (
  server: string,
  question: DnsQuestion,
  signal?: AbortSignal,
) => Promise<DnsMessage>

export interface AskOptions {
  /** Where servers listen whose address has no port. Default: 53. */
  port?: number
  /** Until the question is put once more, and then until it is given up. */
  timeoutMs?: number
}

/** IPv6 minimum MTU 1280 less 40 and 8 octets of headers: never fragmented (DNS flag day 2020). */
const MAX_UDP_PAYLOAD = 1232
const ATTEMPTS = 2

/** Over UDP, and over TCP where the answer was cut off (RFC 7766). */
export function createAskServer({ port = 53, timeoutMs = 800 }: AskOptions = {}): AskServer {
  return async (server, question, signal) => {
    const query = encodeQuery(question)
    const at = parseServer(server, port)
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted()
      try {
        const message = await overUdp(at, query, timeoutMs)
        return message.isTruncated ? await overTcp(at, query, timeoutMs) : message
      } catch (error) {
        if (attempt < ATTEMPTS) continue
        throw new MokaError(
          'DNS_NO_ANSWER',
          `cannot ask name server "${server}" for ${question.name} ${question.type}: ${(error as Error).message}`,
          { hint: 'does this network let DNS (port 53) out?', cause: error },
        )
      }
    }
  }
}

interface Endpoint {
  host: string
  port: number
}

function parseServer(server: string, port: number): Endpoint {
  const [, v6, v4, own] = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(server) ?? []
  return { host: v6 ?? v4 ?? server, port: own === undefined ? port : Number(own) }
}

interface SentQuery {
  id: number
  octets: Uint8Array
  question: DnsQuestion
}

function encodeQuery(question: DnsQuestion): SentQuery {
  const id = randomInt(0x10000)
  const octets = encodeMessage({
    id,
    opcode: 0,
    rcode: 0,
    isResponse: false,
    isAuthoritative: false,
    isTruncated: false,
    recursionDesired: question.isRecursive === true,
    recursionAvailable: false,
    authenticData: false,
    checkingDisabled: false,
    questions: [{ name: `${question.name}.`, type: TYPE[question.type], class: CLASS.IN }],
    answers: [],
    authorities: [],
    additionals: [],
    edns: { udpPayloadSize: MAX_UDP_PAYLOAD, version: 0, dnssecOk: false, options: [] },
  })
  return { id, octets, question }
}

/** The answer to this query, or undefined: anybody can send a datagram. */
function readAnswer(octets: Uint8Array, { id, question }: SentQuery): DnsMessage | undefined {
  const decoded = decodeMessage(octets)
  if (decoded.kind === 'malformed') return undefined
  const { message } = decoded
  const asked = message.questions[0]
  const isSame =
    asked === undefined ||
    (asked.name.toLowerCase() === `${question.name}.`.toLowerCase() &&
      asked.type === TYPE[question.type])
  return message.isResponse && message.id === id && isSame ? message : undefined
}

function overUdp(
  { host, port }: Endpoint,
  query: SentQuery,
  timeoutMs: number,
): Promise<DnsMessage> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  return new Promise<DnsMessage>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs)
    socket.once('error', reject)
    socket.on('message', octets => {
      const message = readAnswer(octets, query)
      if (message !== undefined) resolve(message)
    })
    // Connected, so that a closed port is told at once.
    socket.connect(port, host, () => socket.send(query.octets))
    socket.once('close', () => clearTimeout(timer))
  }).finally(() => socket.close())
}

function overTcp(
  { host, port }: Endpoint,
  query: SentQuery,
  timeoutMs: number,
): Promise<DnsMessage> {
  const socket = connect({ host, port })
  return new Promise<DnsMessage>((resolve, reject) => {
    let read = Buffer.alloc(0)
    socket.setTimeout(timeoutMs, () => reject(new Error(`no answer in ${timeoutMs} ms`)))
    socket.once('error', reject)
    socket.once('end', () => reject(new Error('the connection was closed')))
    socket.on('data', octets => {
      read = Buffer.concat([read, octets])
      const size = read.length < 2 ? Number.POSITIVE_INFINITY : read.readUInt16BE()
      if (read.length < 2 + size) return
      const message = readAnswer(read.subarray(2, 2 + size), query)
      if (message === undefined) reject(new Error('the answer is malformed'))
      else resolve(message)
    })
    const size = Buffer.alloc(2)
    size.writeUInt16BE(query.octets.length)
    socket.write(Buffer.concat([size, query.octets]))
  }).finally(() => socket.destroy())
}
