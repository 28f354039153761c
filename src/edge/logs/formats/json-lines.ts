import { flat } from './flat.ts'
import type { Exchange, LineFormat, ResponseFacts, ViewerFacts } from './line-format.ts'
import { TimeText } from './time-text.ts'

/** What an answer adds to a line, up to the request id; of the last one that took no time, whole. */
interface Response {
  known: string
  instantBytes: number
  instant: string
}

/** One JSON object a request. What there is not is left out, so that a line stays short. */
export function jsonLines(edgeId: string): LineFormat<string, Response> {
  const time = new TimeText()
  const edge = `"edge":${quote(edgeId)}`
  let lastMs = Number.NaN
  let moment = ''
  const begin = (nowMs: number) => {
    if (nowMs === lastMs) return moment
    lastMs = nowMs
    time.set(nowMs)
    const milliseconds = String(Math.trunc(nowMs % 1000)).padStart(3, '0')
    moment = flat(`{"time":"${time.date}T${time.time}.${milliseconds}Z",${edge}`)
    return moment
  }
  return {
    extension: 'jsonl',
    head: '',
    viewer: formatViewer,
    response: formatResponse,
    line(exchange: Exchange, viewer: string, response: Response) {
      const { target } = exchange
      const path = NEEDS_ESCAPE.test(target) ? quote(target).slice(1, -1) : target
      return (
        begin(exchange.endedMs) +
        viewer +
        path +
        rest(exchange, response) +
        exchange.requestId +
        END
      )
    },
    gap: (lines, nowMs) => `${begin(nowMs)},"dropped":${lines}}\n`,
  }
}

const END = '"}\n'

/** From the end of the path to the request id. An answer from memory has the same again and again. */
function rest({ bytes, durationMs, firstByteMs }: Exchange, response: Response): string {
  if (durationMs === 0 && bytes === response.instantBytes) return response.instant
  const timing = `"durationMs":${thousandths(durationMs)},"firstByteMs":${thousandths(firstByteMs)}`
  const text = `${response.known}${bytes},${timing},"requestId":"`
  if (durationMs === 0) {
    response.instantBytes = bytes
    response.instant = flat(text)
  }
  return text
}

function formatViewer(facts: ViewerFacts): string {
  const known = members({
    client: facts.client,
    port: facts.port,
    forwardedFor: facts.forwardedFor,
    protocol: facts.protocol,
    scheme: facts.isSecure ? 'https' : 'http',
    tlsVersion: facts.tlsVersion,
    tlsCipher: facts.tlsCipher,
    userAgent: facts.userAgent,
    referrer: facts.referrer,
    range: facts.range,
    method: facts.method,
    host: facts.host,
  })
  return flat(`${known},"path":"`)
}

function formatResponse(facts: ResponseFacts): Response {
  const { project, release, status, result, detail } = facts
  const known = members({
    project,
    release,
    status,
    result,
    detail: detail === result ? undefined : detail,
    // Of a plain hit it says what `result` says.
    cacheStatus: facts.cacheStatus === PLAIN_HIT ? undefined : facts.cacheStatus,
    contentType: facts.contentType,
    contentLength: facts.contentLength === undefined ? undefined : Number(facts.contentLength),
    contentRange: facts.contentRange,
  })
  return { known: flat(`"${known},"bytes":`), instantBytes: -1, instant: '' }
}

const PLAIN_HIT = '"mokapot"; hit'

/** Each with a comma before it. */
function members(values: Record<string, string | number | undefined>): string {
  let text = ''
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue
    text += `,"${name}":${typeof value === 'number' ? value : quote(value)}`
  }
  return text
}

const NEEDS_ESCAPE = /[^\x20-\x21\x23-\x5b\x5d-\x7e]/

/** A JSON string in ASCII. Octets that are UTF-8 are told as the characters that they stand for. */
function quote(text: string): string {
  if (!NEEDS_ESCAPE.test(text)) return `"${text}"`
  return JSON.stringify(fromUtf8(text)).replace(
    /[^\x20-\x7e]/g,
    char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function fromUtf8(text: string): string {
  if (!/^[\0-\xff]*[\x80-\xff][\0-\xff]*$/.test(text)) return text
  const decoded = Buffer.from(text, 'latin1').toString('utf8')
  return decoded.includes('\ufffd') ? text : decoded
}

/** Without needless digits: `0`, `1.5`, `12.345`. */
function thousandths(value: number): number {
  return Math.round(value * 1000) / 1000
}
