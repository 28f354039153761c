import { STATUS_CODES } from 'node:http'
import { formatHttpDate } from '../../http/dates.ts'
import { isValidField } from '../../http/field-lists.ts'
import { ownText } from '../hot/bounded-map.ts'
import type { HotResponse } from '../hot/hot-lookup.ts'
import type { Transport } from '../transport/transport.ts'
import type { ViewerResponse } from '../viewer.ts'

/**
 * Bodies up to this size are laid behind their head in one buffer. That saves a second write, or
 * over TLS, where Node joins what is written at once, a copy of the body for each answer.
 */
const MAX_JOINED_BODY_BYTES = 256 * 1024
/** What such buffers may take together. They live for a second. */
const MAX_BUFFERED_BYTES = 16 * 1024 * 1024

const LAST = 'Connection: close\r\n\r\n'

/** What concerns the connection is said by who has it. */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])

export interface HotMessagesOptions {
  /** As node:http announces them, whose connections these are as well. */
  keepAliveTimeoutMs: number
  maxRequestsPerConnection: number
  /** Milliseconds since the epoch, for Date. */
  now(): number
}

/** A prepared response in its form on the wire. */
interface Message {
  /** Status line and fields, as far as they never change; then all that follows. */
  readonly head: string
  /** It has a Date of its own. */
  readonly hasDate: boolean
  tail: string
  /** What the tail is made of: fields that change, others, Date, what concerns the connection. */
  changing: HotResponse['changing']
  readonly after: string
  ending: string
  /** The head, with the body where that is short: made when it is asked for twice in a second. */
  bytes: Uint8Array | undefined
  hasBody: boolean
}

/** Responses as they stand on the wire. Keeps what it made of those from memory that come again. */
export class HotMessages {
  readonly #options: HotMessagesOptions
  readonly #keepAlive: string
  #second = -1
  #date = ''
  #tail = ''
  #buffered: Message[] = []
  #bufferedBytes = 0
  /** Of the last response that was written, head and body. */
  writtenBytes = 0

  constructor(options: HotMessagesOptions) {
    this.#options = options
    const seconds = Math.floor(options.keepAliveTimeoutMs / 1000)
    const max = options.maxRequestsPerConnection
    this.#keepAlive =
      `Connection: keep-alive\r\nKeep-Alive: timeout=${seconds}` +
      `${max > 0 ? `, max=${max}` : ''}\r\n\r\n`
  }

  /** To be called before each batch of responses: Date is that of the batch. */
  setTime(): void {
    const now = this.#options.now()
    const second = Math.floor(now / 1000)
    if (second === this.#second) return
    this.#second = second
    this.#date = `Date: ${formatHttpDate(now)}\r\n`
    this.#tail = this.#date + this.#keepAlive
    for (const message of this.#buffered) message.bytes = undefined
    this.#buffered = []
    this.#bufferedBytes = 0
  }

  /**
   * Writes a response; corks where it takes two writes, unless the caller does. False: it cannot
   * be sent this way, and nothing was written.
   */
  write(transport: Transport, response: HotResponse, isLast: boolean, isCorked: boolean): boolean {
    const body = response.body?.bytes
    if (!response.isPrepared || isLast) {
      return this.#writeOnce(transport, response, isLast, isCorked)
    }
    const message = (response.http1 as Message | undefined) ?? prepare(response)
    if (message === undefined) return false
    const ending = message.hasDate ? this.#keepAlive : this.#tail
    if (message.ending !== ending || message.changing !== response.changing) {
      message.ending = ending
      message.changing = response.changing
      message.tail = formatLines(response.changing) + message.after + ending
      message.bytes = undefined
      this.writtenBytes = message.head.length + message.tail.length + (body?.byteLength ?? 0)
      writeBoth(transport, message.head + message.tail, body, isCorked)
      return true
    }
    this.writtenBytes = message.head.length + message.tail.length + (body?.byteLength ?? 0)
    if (message.bytes === undefined) this.#join(message, body)
    if (message.bytes === undefined) {
      writeBoth(transport, message.head + message.tail, body, isCorked)
    } else if (body === undefined || message.hasBody) {
      transport.write(message.bytes)
    } else {
      if (!isCorked) transport.cork()
      transport.write(message.bytes)
      transport.write(body)
      if (!isCorked) transport.uncork()
    }
    return true
  }

  #writeOnce(
    transport: Transport,
    response: HotResponse,
    isLast: boolean,
    isCorked: boolean,
  ): boolean {
    const lasting = formatLasting(response)
    if (lasting === undefined) return false
    const head = lasting.head + formatLines(response.changing) + lasting.after
    const date = response.fields.has('date') ? '' : this.#date
    const connection = isLast ? LAST : this.#keepAlive
    const body = response.body?.bytes
    this.writtenBytes = head.length + date.length + connection.length + (body?.byteLength ?? 0)
    writeBoth(transport, head + date + connection, body, isCorked)
    return true
  }

  /**
   * The head of a response that comes the long way; undefined where a field cannot stand on the
   * wire. Chunks are announced where node:http does.
   */
  formatHead(
    { status, fields }: Pick<ViewerResponse, 'status' | 'fields'>,
    isLast: boolean,
    isChunked: boolean,
  ): string | undefined {
    this.setTime()
    let head = statusLine(status)
    for (const [name, value] of fields) {
      if (!isValidField(name, value)) return undefined
      if (!CONNECTION_FIELDS.has(name)) head += `${name}: ${value}\r\n`
    }
    if (!fields.has('date')) head += this.#date
    head += isLast ? LAST : this.#keepAlive
    return isChunked ? `${head.slice(0, -2)}Transfer-Encoding: chunked\r\n\r\n` : head
  }

  #join(message: Message, body: Uint8Array | undefined): void {
    const isJoined = body !== undefined && body.byteLength <= MAX_JOINED_BODY_BYTES
    const headBytes = message.head.length + message.tail.length
    const sizeBytes = headBytes + (isJoined ? body.byteLength : 0)
    if (this.#bufferedBytes + sizeBytes > MAX_BUFFERED_BYTES) return
    // Not of Node's pool, which a small part would keep as a whole.
    const bytes = Buffer.allocUnsafeSlow(sizeBytes)
    bytes.write(message.head + message.tail, 'latin1')
    if (isJoined) bytes.set(body, headBytes)
    message.bytes = bytes
    message.hasBody = isJoined
    this.#buffered.push(message)
    this.#bufferedBytes += sizeBytes
  }
}

function prepare(response: HotResponse): Message | undefined {
  const lasting = formatLasting(response)
  if (lasting === undefined) return undefined
  const message: Message = {
    // In one piece: V8 keeps what was added up as its parts, to be gathered at each write.
    head: ownText(lasting.head),
    after: lasting.after,
    hasDate: response.fields.has('date'),
    tail: '',
    changing: undefined,
    ending: '',
    bytes: undefined,
    hasBody: false,
  }
  response.http1 = message
  return message
}

function statusLine(status: number): string {
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`
}

function formatLines(lines: HotResponse['changing']): string {
  let text = ''
  for (const [name, value] of lines ?? []) text += `${name}: ${value}\r\n`
  return text
}

/**
 * Status line and the fields that last, before and after the place of those that change; undefined
 * where a field cannot stand on the wire.
 */
function formatLasting({ status, fields, changing }: HotResponse) {
  let head = statusLine(status)
  let before: string | undefined
  for (const [name, value] of fields) {
    if (changing?.some(([changed]) => changed === name)) {
      before ??= head
      continue
    }
    if (!isValidField(name, value)) return undefined
    head += `${name}: ${value}\r\n`
  }
  return before === undefined
    ? { head, after: '' }
    : { head: before, after: head.slice(before.length) }
}

function writeBoth(
  transport: Transport,
  head: string,
  body: Uint8Array | undefined,
  isCorked: boolean,
): void {
  if (body === undefined) {
    transport.writeLatin1(head)
    return
  }
  if (!isCorked) transport.cork()
  transport.writeLatin1(head)
  transport.write(body)
  if (!isCorked) transport.uncork()
}
