import { formatHttpDate } from '../../../http/dates.ts'
import type { Fields } from '../../../http/fields.ts'
import type { HotResponse } from '../../hot/hot-lookup.ts'
import { encodeStaticBlock, type FieldLine } from '../hpack/encoder.ts'

/** Of one connection: not in HTTP/2 (RFC 9113 §8.2.2). */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
])

const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** Status and fields as a header list. Throws for what no field can be. */
export function responseLines(status: number, fields: Fields): FieldLine[] {
  const lines: FieldLine[] = [[':status', String(status)]]
  for (const [name, value] of fields) {
    if (CONNECTION_FIELDS.has(name)) continue
    if (!NAME.test(name) || !VALUE.test(value)) {
      throw new Error(`the response has a malformed field ${JSON.stringify(name)}`)
    }
    lines.push([name, value.trim()])
  }
  return lines
}

/** A prepared response in its form on the wire. */
interface PreparedBlock {
  readonly lasting: Uint8Array
  changing: HotResponse['changing']
  block: Uint8Array
}

/** The header block of a response from the short way, but for Date. Prepared ones are encoded once. */
export function hotBlock(response: HotResponse): Uint8Array {
  const { changing } = response
  let known = response.http2 as PreparedBlock | undefined
  if (known !== undefined && known.changing === changing) return known.block
  const lasting = known?.lasting ?? encodeStaticBlock(lastingLines(response))
  const block =
    changing === undefined
      ? lasting
      : Buffer.concat([lasting, encodeStaticBlock(changing.map(([name, value]) => [name, value]))])
  if (!response.isPrepared) return block
  known = { lasting, changing, block }
  response.http2 = known
  return block
}

function lastingLines({ status, fields, changing }: HotResponse): FieldLine[] {
  const lines = responseLines(status, fields)
  if (changing === undefined) return lines
  return lines.filter(([name]) => !changing.some(([changed]) => changed === name))
}

let dateSecond = -1
let dateBytes: Uint8Array = new Uint8Array(0)

/** `date` as a header block, encoded once a second for all connections. */
export function dateBlock(now: number): Uint8Array {
  const second = Math.floor(now / 1000)
  if (second !== dateSecond) {
    dateSecond = second
    dateBytes = encodeStaticBlock([['date', formatHttpDate(now)]])
  }
  return dateBytes
}
