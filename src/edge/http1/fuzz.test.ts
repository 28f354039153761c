import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fields } from '../../http/fields.ts'
import { silentLogger } from '../../shared/logger.ts'
import type { HotLookup, HotResponse } from '../hot/hot-lookup.ts'
import { FakeTransport } from '../testing/fake-transport.ts'
import { createHttp1Engine } from './http1-engine.ts'
import { PlainHead } from './plain-head.ts'

// Conversations of requests, sound and damaged, cut anywhere, with viewers that do not read and
// servers that shut down. Nothing may throw, and no byte be lost, answered twice or kept for ever:
// what was not answered is what node:http gets, from the beginning of a request.

const RUNS = Number(process.env.MOKA_FUZZ_RUNS ?? 1500)
const LIMITS = {
  maxHeaderBytes: 4000,
  headersTimeoutMs: 10_000,
  keepAliveTimeoutMs: 20_000,
  maxRequestsPerConnection: 1000,
}
const ANSWERED = /^\/(?:hit|big)/
const hit = preparedOf(Buffer.from('hit'))
const big = preparedOf(Buffer.alloc(70_000, 'b'))
const hot: HotLookup = {
  find: ({ target }) =>
    target.startsWith('/hit') ? hit : target.startsWith('/big') ? big : undefined,
}

function preparedOf(bytes: Uint8Array): HotResponse {
  const fields = Fields.from([['content-length', String(bytes.byteLength)]])
  return { status: 200, fields, body: { bytes }, isPrepared: true, project: 'p' }
}

/** What is answered from memory: without enough of it no viewer falls behind. */
const plain = fc
  .constantFrom('/hit', '/big', '/big')
  .map(target => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`)
const field = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('Accept-Encoding: br', 'X-A: b', 'Cookie: a=b; c') },
  { weight: 1, arbitrary: fc.constantFrom(`X-Long: ${'l'.repeat(1500)}`, 'Connection: close') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'Content-Length: 3',
      'Transfer-Encoding: chunked',
      ' folded',
      'Ä: x',
    ),
  },
)
const request = fc
  .tuple(
    fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'POST', 'get'),
    fc.constantFrom('/hit', '/hit?q', '/big', '/miss', '*', 'http://a/hit', '/hit#x', '/h\x80'),
    fc.constantFrom('HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0'),
    fc.array(field, { maxLength: 4 }),
  )
  .map(([method, target, version, fields]) =>
    [`${method} ${target} ${version}`, 'Host: a', ...fields, '', ''].join('\r\n'),
  )
const bytes = fc.oneof(
  { weight: 10, arbitrary: plain },
  { weight: 5, arbitrary: request },
  {
    weight: 1,
    arbitrary: fc.uint8Array({ maxLength: 40 }).map(some => Buffer.from(some).toString('latin1')),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('\r\n', '\n', '\0', 'a'.repeat(5000), 'PRI * HTTP/2.0\r\n\r\n'),
  },
)
const damage = fc.tuple(fc.nat(2000), fc.nat(255))
const conversation = fc.record({
  parts: fc.array(bytes, { minLength: 1, maxLength: 24 }),
  damages: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(damage, { maxLength: 3 }) },
  ),
  cuts: fc.array(fc.nat(6000), { maxLength: 12 }),
  events: fc.array(
    fc.constantFrom('none', 'none', 'none', 'stick', 'stick', 'unstick', 'shut-down'),
    {
      maxLength: 14,
    },
  ),
})

function textOf(parts: readonly string[], damages: readonly (readonly [number, number])[]): string {
  const all = Buffer.from(parts.join(''), 'latin1')
  for (const [at, by] of damages) all[at % all.length]! ^= by
  return all.toString('latin1')
}

/** How the answered requests begin the text: how many, and where they end. */
function answerable(text: string, count: number): number | undefined {
  const head = new PlainHead()
  let at = 0
  for (let done = 0; done < count; done++) {
    if (head.read(text, at) !== 'plain' || !ANSWERED.test(head.target)) return undefined
    at = head.end
  }
  return at
}

test('no conversation breaks the engine, and no byte of one is lost or answered twice', () => {
  fc.assert(
    fc.property(conversation, ({ parts, damages, cuts, events }) => {
      const text = textOf(parts, damages)
      const transport = new FakeTransport()
      createHttp1Engine({
        hot,
        respond: undefined,
        logger: silentLogger,
        limits: LIMITS,
        now: () => 0,
      }).accept(transport, new Uint8Array(0))
      let received = ''
      const borders = [...new Set(cuts.map(cut => cut % (text.length + 1)))].sort((a, b) => a - b)
      for (const [index, end] of [...borders, text.length].entries()) {
        const event = events[index]
        if (event === 'stick') transport.isStuck = true
        else if (event === 'unstick' && transport.state === 'open') transport.unstick()
        else if (event === 'shut-down' && transport.state === 'open') {
          transport.handler.onShutdown(1000)
        }
        if (transport.state !== 'open') break
        const piece = text.slice(received.length, end)
        transport.receive(piece)
        received += piece
      }
      if (transport.state === 'open') transport.unstick()
      const answers = transport.takeWrites().join('').split('HTTP/1.1 ').slice(1)
      const refusals = answers.filter(answer => !answer.startsWith('200 '))
      expect(refusals).toEqual([])
      const end = answerable(received, answers.length)
      expect(end, 'what was answered is what came first').toBeDefined()
      if (transport.state === 'handed-over') expect(transport.handedOver).toBe(received.slice(end))
      if (transport.state !== 'open') return
      // Still open: all was answered but part of a head, which is short.
      expect(received.length - end!).toBeLessThan(LIMITS.maxHeaderBytes)
      expect(new PlainHead().read(received.slice(end), 0)).toBe('partial')
    }),
    { numRuns: RUNS },
  )
}, 3_600_000)
