import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PlainHead } from './plain-head.ts'

const head = new PlainHead()

/** The same grammar again, written the slow way. */
const PLAIN =
  /^(?:GET|HEAD) \/[\x21-\x22\x24-\x7e]* HTTP\/1\.1\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)+\r\n/

test('reads what matters, whatever the case and spacing', () => {
  const text =
    'HEAD /a?b HTTP/1.1\r\nhOST: \t a.test \t\r\nACCEPT-encoding:br\r\nX: y\r\n' +
    'If-None-Match:\r\nIf-Modified-Since: d\r\nConnection:Close\r\n\r\nGET'
  expect(head.read(text, 0)).toBe('plain')
  expect(head.end).toBe(text.length - 3)
  expect(head).toMatchObject({
    isHead: true,
    wantsClose: true,
    target: '/a?b',
    host: 'a.test',
    acceptEncoding: 'br',
    ifNoneMatch: '',
    ifModifiedSince: 'd',
  })
  expect([...head.fields()]).toEqual([
    ['host', 'a.test'],
    ['accept-encoding', 'br'],
    ['x', 'y'],
    ['if-none-match', ''],
    ['if-modified-since', 'd'],
    ['connection', 'Close'],
  ])
})

test('nothing of one request stays for the next', () => {
  head.read('GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: x\r\nConnection: close\r\n\r\n', 0)
  head.read('GET /b HTTP/1.1\r\nHost: b\r\n\r\n', 0)
  expect(head).toMatchObject({ ifNoneMatch: undefined, wantsClose: false, host: 'b' })
})

test.each([
  'Content-Length: 0',
  'Transfer-Encoding: chunked',
  'transfer-encoding:',
  'Expect: 100-continue',
  'Upgrade: h2c',
  'Connection: upgrade',
  'Connection: keep-alive, close',
  'Connection:',
  'Proxy-Connection: close',
  'Host: a',
])('%s is not plain', field => {
  expect(head.read(`GET / HTTP/1.1\r\nHost: a\r\n${field}\r\n\r\n`, 0)).toBe('other')
})

test.each([
  'Range: bytes=0-',
  'if-range:x',
  'If-Match: *',
  'If-Unmodified-Since: x',
  'Authorization: Basic x',
])('%s is plain, but nothing to ask memory for', field => {
  expect(head.read(`GET / HTTP/1.1\r\nHost: a\r\n${field}\r\n\r\n`, 0)).toBe('plain')
  expect(head.mayBeHot).toBe(false)
  expect(head.fields().lineCount).toBe(2)
  head.read('GET / HTTP/1.1\r\nHost: a\r\n\r\n', 0)
  expect(head.mayBeHot).toBe(true)
})

test.each(['Accept-Encoding: br', 'If-None-Match: x', 'If-Modified-Since: x', 'Connection: close'])(
  '%s twice is not plain',
  field => {
    const text = `GET / HTTP/1.1\r\nHost: a\r\n${field}\r\n${field}\r\n\r\n`
    expect(head.read(text, 0)).toBe('other')
  },
)

const piece = fc.oneof(
  fc.constantFrom('GET ', 'HEAD ', '/', '/x?y', ' HTTP/1.1', '\r\n', '\r\n\r\n', 'Host: a', ':'),
  fc.constantFrom(
    '\r',
    '\n',
    ' ',
    '\t',
    '\0',
    '#',
    '\x7f',
    '\x80',
    'X:',
    ' b',
    'Content-Length: 1',
  ),
  fc.string({ unit: fc.integer({ min: 0, max: 255 }).map(code => String.fromCharCode(code)) }),
)
const lines = fc.array(piece, { maxLength: 8 }).map(pieces => pieces.join(''))
const text = fc.oneof(
  lines,
  lines.map(rest => `GET / HTTP/1.1\r\nHost: a\r\n${rest}\r\n\r\n`),
  fc.tuple(lines, lines).map(([target, rest]) => `GET /${target} HTTP/1.1\r\n${rest}\r\n\r\n`),
)

test('what it takes for plain has the strict grammar, and ends where that ends', () => {
  fc.assert(
    fc.property(text, bytes => {
      if (head.read(bytes, 0) !== 'plain') return
      expect(PLAIN.exec(bytes)?.[0].length).toBe(head.end)
    }),
    { seed: 1, numRuns: 5000 },
  )
})

test('what it takes for partial can become plain; every part of a plain head is partial', () => {
  const whole = 'GET /a HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\n\r\n'
  for (let end = 0; end < whole.length; end++) {
    expect(head.read(whole.slice(0, end), 0)).toBe('partial')
  }
  const endings = ['', '\n', '\n\r\n', '\r\n\r\n', ':\r\n\r\n']
  const starts = ['', ...Array.from(whole, (_, at) => whole.slice(at))]
  const canEnd = (bytes: string) =>
    [...starts, ...endings].some(ending => PLAIN.test(`${bytes}${ending}`))
  fc.assert(
    fc.property(text, bytes => {
      if (head.read(bytes, 0) === 'partial' && !canEnd(bytes)) {
        // Without any field there would be no Host, and it would not be plain in the end.
        expect(canEnd(`${bytes}x:\r\n`) || canEnd(`${bytes}\nx:\r\n`)).toBe(true)
      }
    }),
    { seed: 2, numRuns: 2000 },
  )
})
