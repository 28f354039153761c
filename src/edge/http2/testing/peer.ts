import { createLogger } from '../../../shared/logger.ts'
import type { HotLookup } from '../../hot/hot-lookup.ts'
import type { ViewerRequest, ViewerResponse } from '../../viewer.ts'
import type { Http2Limits } from '../connection/limits.ts'
import { decodeFrame } from '../frames/decode.ts'
import { encodeFrame } from '../frames/encode.ts'
import type { Frame } from '../frames/frame.ts'
import { FrameReader } from '../frames/frame-reader.ts'
import { HpackDecoder } from '../hpack/decoder.ts'
import { encodeStaticBlock, type FieldLine } from '../hpack/encoder.ts'
import { createHttp2Engine } from '../http2-engine.ts'
import { FakeTransport } from './fake-transport.ts'

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

export interface PeerOptions {
  respond?: (request: ViewerRequest) => Promise<ViewerResponse>
  hot?: HotLookup
  limits?: Partial<Http2Limits>
  /** Left out: the test sends its own preface. Default: sent. */
  hasPreface?: boolean
}

type FrameOf<Type extends Frame['type']> = Extract<Frame, { type: Type }>

/** The client's end of a connection to a real engine, frame by frame. */
export class Peer {
  readonly transport = new FakeTransport()
  readonly frames: Frame[] = []
  readonly log: string[] = []
  readonly requests: ViewerRequest[] = []
  readonly #decoder = new HpackDecoder({ maxListBytes: 1_000_000 })
  readonly #reader: FrameReader
  readonly #headers = new Map<FrameOf<'headers'>, Record<string, string>>()
  #readWrites = 0

  constructor(options: PeerOptions = {}) {
    this.#reader = new FrameReader(0xff_ffff, (type, flags, id, payload) =>
      this.#keep(decodeFrame(type, flags, id, payload.slice())),
    )
    const respond = options.respond ?? (() => new Promise<ViewerResponse>(() => {}))
    const engine = createHttp2Engine({
      respond: request => {
        this.requests.push(request)
        return respond(request)
      },
      hot: options.hot,
      now: () => Date.UTC(2025, 0, 1),
      steadyNow: () => this.transport.nowMs,
      logger: createLogger(line => this.log.push(line), 'debug'),
      limits: options.limits ?? {},
    })
    engine.accept(this.transport, new Uint8Array(0))
    if (options.hasPreface === false) return
    this.bytes(PREFACE)
    this.send({ type: 'settings', isAck: false, settings: [] })
    this.take()
  }

  bytes(bytes: Uint8Array): void {
    // As from a shared read buffer: a view, and something else a moment later.
    const shared = Buffer.from(bytes)
    this.transport.handler.onBytes(shared)
    shared.fill(0xff)
    this.#read()
  }

  send(...frames: readonly Frame[]): void {
    this.bytes(Buffer.concat(frames.map(encodeFrame)))
  }

  /** Sends a request's header block. */
  request(streamId: number, lines: readonly FieldLine[] = [], options: RequestOptions = {}): void {
    this.send(headers(streamId, [...requestLines(options), ...lines], options.endStream ?? true))
  }

  /** Lets promises and immediates run until it holds. */
  async until(holds: () => boolean): Promise<void> {
    for (let turn = 0; turn < 2000; turn++) {
      this.#read()
      if (holds()) return
      await new Promise(resolve => setImmediate(resolve))
    }
    throw new Error(`never held; received ${this.frames.map(({ type }) => type).join(' ')}`)
  }

  /** Waits for, and returns, the first frame of that type (and stream). */
  async frame<Type extends Frame['type']>(type: Type, streamId?: number): Promise<FrameOf<Type>> {
    const find = () =>
      this.frames.find(
        frame =>
          frame.type === type &&
          (streamId === undefined || ('streamId' in frame && frame.streamId === streamId)),
      )
    await this.until(() => find() !== undefined)
    return find() as FrameOf<Type>
  }

  /** The frames so far, and forgets them. */
  take(): Frame[] {
    this.#read()
    return this.frames.splice(0)
  }

  fieldsOf(frame: FrameOf<'headers'>): Record<string, string> {
    return this.#headers.get(frame) ?? {}
  }

  /** Octets of body received on a stream. */
  body(streamId: number): string {
    this.#read()
    return this.frames
      .map(frame =>
        frame.type === 'data' && frame.streamId === streamId
          ? Buffer.from(frame.data).toString('latin1')
          : '',
      )
      .join('')
  }

  /** The code of the GOAWAY or RST_STREAM that was sent, by name of the frame. */
  get errors(): string[] {
    this.#read()
    return this.frames.flatMap(frame =>
      frame.type === 'goaway' || frame.type === 'rst-stream' ? [`${frame.type} ${frame.code}`] : [],
    )
  }

  pass(ms: number): void {
    this.transport.pass(ms)
    this.#read()
  }

  #read(): void {
    for (const write of this.transport.writes.slice(this.#readWrites)) this.#reader.push(write)
    this.#readWrites = this.transport.writes.length
  }

  #keep(frame: Frame): void {
    // A block in several frames is for the test to put together.
    if (frame.type === 'headers' && frame.endHeaders) {
      const { fields } = this.#decoder.decode(frame.block)
      const lines = fields.map(({ name, value }) => [name, value])
      this.#headers.set(frame, Object.fromEntries(lines))
    }
    this.frames.push(frame)
  }
}

export interface RequestOptions {
  method?: string
  path?: string
  endStream?: boolean
}

export function requestLines(options: RequestOptions = {}): FieldLine[] {
  return [
    [':method', options.method ?? 'GET'],
    [':scheme', 'https'],
    [':path', options.path ?? '/'],
    [':authority', 'site.test'],
  ]
}

export function headers(
  streamId: number,
  lines: readonly FieldLine[],
  endStream = true,
): FrameOf<'headers'> {
  const block = encodeStaticBlock(lines)
  const priority = undefined
  const paddingBytes = undefined
  return { type: 'headers', streamId, endStream, endHeaders: true, priority, block, paddingBytes }
}

export function data(streamId: number, text: string, endStream = false): FrameOf<'data'> {
  return { type: 'data', streamId, endStream, data: Buffer.from(text), paddingBytes: undefined }
}
