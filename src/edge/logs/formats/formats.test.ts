import { describe, expect, test } from 'vitest'
import { jsonLines } from './json-lines.ts'
import type { Exchange, LineFormat, ResponseFacts, ViewerFacts } from './line-format.ts'
import { CLOUDFRONT_FIELDS, w3cExtended } from './w3c-extended.ts'

const viewer: ViewerFacts = {
  client: '192.0.2.100',
  port: 4000,
  forwardedFor: undefined,
  method: 'GET',
  host: 'site.test',
  protocol: 'HTTP/2.0',
  isSecure: true,
  tlsVersion: 'TLSv1.3',
  tlsCipher: 'TLS_AES_128_GCM_SHA256',
  userAgent: 'Mozilla/5.0 (X11; Linux x86_64) "quoted" 100%',
  referrer: undefined,
  range: undefined,
}

const response: ResponseFacts = {
  project: 'site',
  release: 'r-1',
  status: 200,
  result: 'Hit',
  responseResult: 'Hit',
  detail: 'Hit',
  cacheStatus: '"mokapot"; hit; ttl=30',
  contentType: 'text/html; charset=utf-8',
  contentLength: '78',
  contentRange: undefined,
}

const exchange: Exchange = {
  endedMs: Date.UTC(2019, 11, 4, 21, 2, 31, 45),
  requestId: 'edge-1-abc',
  target: '/index.html',
  bytes: 392,
  durationMs: 1.25,
  firstByteMs: 1,
}

function lineOf<V, R>(
  format: LineFormat<V, R>,
  facts: { viewer?: Partial<ViewerFacts>; response?: Partial<ResponseFacts> } & Partial<Exchange>,
): string {
  const viewerPart = format.viewer({ ...viewer, ...facts.viewer })
  const responsePart = format.response({ ...response, ...facts.response })
  return format.line({ ...exchange, ...facts }, viewerPart, responsePart)
}

/**
 * A reader by the rules of AWS's documentation, and nothing of the writer: tabs between values, a
 * hyphen for none, `%XX` for octets.
 */
function readCloudFront(text: string): Record<string, string>[] {
  const [version, fields, ...lines] = text.split('\n')
  expect(version).toBe('#Version: 1.0')
  const names = fields!.replace(/^#Fields: /, '').split(' ')
  expect(lines.pop()).toBe('')
  return lines.map(line => {
    expect(line).not.toMatch(/[\0-\x08\x0a-\x20\x7f-\uffff<>"#{}|\\^~[\]`']/)
    const values = line.split('\t')
    expect(values).toHaveLength(names.length)
    const decode = (value: string) =>
      value.replace(/%([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
    return Object.fromEntries(names.map((name, at) => [name, decode(values[at]!)]))
  })
}

describe('the W3C extended format', () => {
  const format = w3cExtended('edge-1')

  test("has the 33 fields of CloudFront's standard logs in their order", () => {
    expect(CLOUDFRONT_FIELDS.split(' ')).toHaveLength(33)
    const line = lineOf(format, {
      viewer: { userAgent: 'Mozilla/4.0 (compatible; MSIE 5.0b1; Mac_PowerPC)' },
      response: { contentRange: 'bytes 10-87/100', status: 206 },
      target: '/view/my/file.html?a=b&c=d',
    })
    expect(line).toBe(
      '2019-12-04\t21:02:31\tedge-1\t392\t192.0.2.100\tGET\tsite.test\t/view/my/file.html\t206\t-\t' +
        'Mozilla/4.0%20(compatible;%20MSIE%205.0b1;%20Mac_PowerPC)\ta=b&c=d\t-\tHit\tedge-1-abc\t' +
        'site.test\thttps\t-\t0.001\t-\tTLSv1.3\tTLS_AES_128_GCM_SHA256\tHit\tHTTP/2.0\t-\t-\t4000\t' +
        '0.001\tHit\ttext/html;%20charset=utf-8\t78\t10\t87\n',
    )
  })

  test('is read as it was meant by a reader that knows the documentation alone', () => {
    const target = '/caf%C3%A9/<a>?q="x"|y&z=`~^'
    const userAgent = 'odd\tagent\n\0\x7f\xe9#Fields: date'
    const text =
      format.head +
      lineOf(format, { target, viewer: { userAgent, referrer: 'https://a.test/?#{}[]' } }) +
      lineOf(format, { target: '/' })
    const [odd, plain] = readCloudFront(text)
    expect(odd).toMatchObject({
      'cs-uri-stem': '/caf%C3%A9/<a>',
      'cs-uri-query': 'q="x"|y&z=`~^',
      'cs(User-Agent)': userAgent,
      'cs(Referer)': 'https://a.test/?#{}[]',
      'x-edge-result-type': 'Hit',
    })
    expect(plain).toMatchObject({
      'cs(User-Agent)': viewer.userAgent,
      'cs-uri-query': '-',
      'cs(Referer)': '-',
      'time-to-first-byte': '0.001',
    })
  })

  test('a viewer who left before the answer has status 000', () => {
    const line = lineOf(format, {
      response: { status: 0, result: 'Error', responseResult: 'Error', detail: 'ClientCommError' },
    })
    expect(line.split('\t')[8]).toBe('000')
    expect(line.split('\t')[28]).toBe('ClientCommError')
  })

  test('lines that were dropped leave a remark', () => {
    expect(format.gap(12, 0)).toBe('#Remark: 12 lines were dropped here\n')
  })
})

describe('the JSON format', () => {
  const format = jsonLines('edge-1')

  test('is an object a line, without what there is not', () => {
    expect(JSON.parse(lineOf(format, {}))).toEqual({
      time: '2019-12-04T21:02:31.045Z',
      edge: 'edge-1',
      client: '192.0.2.100',
      port: 4000,
      method: 'GET',
      scheme: 'https',
      host: 'site.test',
      path: '/index.html',
      protocol: 'HTTP/2.0',
      tlsVersion: 'TLSv1.3',
      tlsCipher: 'TLS_AES_128_GCM_SHA256',
      userAgent: viewer.userAgent,
      project: 'site',
      release: 'r-1',
      status: 200,
      result: 'Hit',
      cacheStatus: '"mokapot"; hit; ttl=30',
      contentType: 'text/html; charset=utf-8',
      contentLength: 78,
      bytes: 392,
      durationMs: 1.25,
      firstByteMs: 1,
      requestId: 'edge-1-abc',
    })
  })

  test('any octets a viewer sends stay one line of ASCII, and are read back', () => {
    for (const text of ['"\\', 'a\nb\r\t\0', '\x7f\x80\xff', '","status":999,"x":"', '\u2028']) {
      const line = lineOf(format, { target: text, viewer: { userAgent: text, host: text } })
      expect(line).toMatch(/^[\x20-\x7e]+\n$/)
      expect(JSON.parse(line)).toMatchObject({ path: text, userAgent: text, host: text })
    }
  })

  test('octets that are UTF-8 are told as characters', () => {
    const userAgent = Buffer.from('Čau ☕').toString('latin1')
    expect(JSON.parse(lineOf(format, { viewer: { userAgent } })).userAgent).toBe('Čau ☕')
  })

  test('each line has its own moment', () => {
    const times = [0, 5, 999, 1000].map(at => JSON.parse(lineOf(format, { endedMs: at })).time)
    expect(times.map(time => time.slice(17))).toEqual(['00.000Z', '00.005Z', '00.999Z', '01.000Z'])
  })

  test('lines that were dropped are counted in a line', () => {
    expect(JSON.parse(format.gap(12, exchange.endedMs))).toEqual({
      time: '2019-12-04T21:02:31.045Z',
      edge: 'edge-1',
      dropped: 12,
    })
  })
})
