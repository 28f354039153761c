import { Readable } from 'node:stream'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fields } from '../../../http/fields.ts'
import { silentLogger } from '../../../shared/logger.ts'
import type { ConnectionObserver } from '../../logs/traffic-observer.ts'
import { FakeTransport } from '../../testing/fake-transport.ts'
import type { ViewerRequest, ViewerResponse } from '../../viewer.ts'
import { createHttp1Engine } from '../http1-engine.ts'
import { PlainHead } from '../plain-head.ts'

// Conversations whose answers come late, in every order with what viewer, source and server do.
// Whatever happens: answers are those of the requests, in their order, whole, and each is logged
// once; what was not answered is what node:http gets.

const RUNS = Number(process.env.MOKA_FUZZ_RUNS ?? 1000)
const LIMITS = {
  maxHeaderBytes: 4000,
  headersTimeoutMs: 10_000,
  keepAliveTimeoutMs: 20_000,
  maxRequestsPerConnection: 9,
}

/** By path: what of its body is there at once, how it comes, whether its length is known. */
const PATHS = [
  '/hit',
  '/hit-big',
  '/bytes',
  '/bytes-big',
  '/none',
  '/stream',
  '/sized',
  '/stream-big',
]
const sizeOf = (target: string) =>
  target.includes('big') ? 150_000 : target.startsWith('/none') ? 0 : 5
const bodyOf = (target: string) => Buffer.alloc(sizeOf(target), target)

function fieldsOf(target: string, isHead: boolean): Fields {
  const fields = Fields.from([['x-request', `${isHead ? 'HEAD' : 'GET'} ${target}`]])
  if (/^\/(?:hit|bytes|sized)/.test(target)) {
    fields.set('content-length', String(sizeOf(target)))
  }
  return fields
}

async function answerTo({ method, target }: ViewerRequest): Promise<ViewerResponse> {
  const fields = fieldsOf(target, method === 'HEAD')
  const bytes = bodyOf(target)
  if (target.startsWith('/none')) return { status: 200, fields, body: { kind: 'none' } }
  if (target.startsWith('/bytes')) return { status: 200, fields, body: { kind: 'bytes', bytes } }
  const pieces = [0, 1, 2, 3].map(i =>
    bytes.subarray((i * bytes.length) / 4, ((i + 1) * bytes.length) / 4),
  )
  const sizeBytes = target.startsWith('/sized') ? bytes.length : undefined
  return { status: 200, fields, body: { kind: 'stream', stream: Readable.from(pieces), sizeBytes } }
}

const request = fc
  .record({
    method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD'),
    target: fc.constantFrom(...PATHS),
    field: fc.constantFrom('X: y', 'X: y', 'X: y', 'Range: bytes=0-1', 'Connection: close'),
  })
  .map(({ method, target, field }) => `${method} ${target} HTTP/1.1\r\nHost: a\r\n${field}\r\n\r\n`)
const conversation = fc.record({
  requests: fc.array(request, { minLength: 1, maxLength: 8 }),
  rest: fc.constantFrom('', '', '', 'GET /', 'POST / HTTP/1.1\r\nHost: a\r\n\r\n', 'x'),
  cuts: fc.array(fc.nat(1000), { maxLength: 10 }),
  events: fc.array(
    fc.constantFrom(
      'none',
      'answer',
      'answer',
      'turn',
      'stick',
      'drain',
      'end',
      'leave',
      'shut-down',
    ),
    { maxLength: 20 },
  ),
})

const turn = () => new Promise(resolve => setImmediate(resolve))

interface Answer {
  request: string
  isClose: boolean
}

/** Reads whole answers off a text, and checks their bodies; gives what is left as well. */
function readAnswers(text: string): { answers: Answer[]; rest: string } {
  const answers: Answer[] = []
  let at = 0
  while (text.startsWith('HTTP/1.1 200 ', at)) {
    const headEnd = text.indexOf('\r\n\r\n', at) + 4
    if (headEnd < 4) break
    const head = text.slice(at, headEnd)
    const request = /^x-request: (.*)\r$/m.exec(head)![1]!
    const [method, target = ''] = request.split(' ')
    let end = headEnd
    if (method === 'GET' && /^transfer-encoding: chunked\r$/im.test(head)) {
      let body = ''
      for (let size = -1; size !== 0; ) {
        const lineEnd = text.indexOf('\r\n', end)
        if (lineEnd < 0) return { answers, rest: text.slice(at) }
        size = Number.parseInt(text.slice(end, lineEnd), 16)
        body += text.slice(lineEnd + 2, lineEnd + 2 + size)
        end = lineEnd + 2 + size + 2
        if (end > text.length) return { answers, rest: text.slice(at) }
      }
      expect(body).toBe(bodyOf(target).toString())
    } else if (method === 'GET') {
      end += sizeOf(target)
      if (end > text.length) break
      expect(text.slice(headEnd, end)).toBe(bodyOf(target).toString())
    }
    answers.push({ request, isClose: /^connection: close\r$/im.test(head) })
    at = end
  }
  return { answers, rest: text.slice(at) }
}

/** The plain requests that a text begins with, and where each ends. */
function plainRequests(text: string): { request: string; end: number; wantsClose: boolean }[] {
  const head = new PlainHead()
  const found = []
  let at = 0
  while (head.read(text, at) === 'plain') {
    at = head.end
    const request = `${head.isHead ? 'HEAD' : 'GET'} ${head.target}`
    found.push({ request, end: at, wantsClose: head.wantsClose })
  }
  return found
}

test('answers that come late are whole, in order and counted once, whatever happens', async () => {
  await fc.assert(
    fc.asyncProperty(conversation, async ({ requests, rest, cuts, events }) => {
      const text = requests.join('') + rest
      const transport = new FakeTransport()
      const waiting: (() => void)[] = []
      const ended: boolean[] = []
      let begun = 0
      const connection: ConnectionObserver = {
        answered: () => void ended.push(true),
        sending: () => observed(),
        begin: () => observed(),
        refused: () => {},
      }
      const observed = () => {
        begun++
        return { responding() {}, ended: (_: number, isWhole: boolean) => void ended.push(isWhole) }
      }
      createHttp1Engine({
        hot: {
          find({ target, isHead }) {
            if (!target.startsWith('/hit')) return undefined
            const fields = fieldsOf(target, isHead)
            const body = isHead ? undefined : { bytes: bodyOf(target) }
            return { status: 200, fields, body, isPrepared: false, project: 'p' }
          },
        },
        respond: async viewerRequest => {
          await new Promise<void>(resolve => waiting.push(resolve))
          return answerTo(viewerRequest)
        },
        logger: silentLogger,
        limits: LIMITS,
        now: () => 0,
        observer: { accepted() {}, handshaken() {}, connection: () => connection },
      }).accept(transport, new Uint8Array(0))

      let [received, written] = ['', '']
      let [hasEnded, hasLeft, isShut] = [false, false, false]
      const leave = () => {
        if (transport.state === 'handed-over' || hasLeft) return
        hasLeft = true
        const wasOpen = transport.state === 'open'
        if (wasOpen) transport.state = 'destroyed'
        transport.handler.onClose()
      }
      const drain = async () => {
        transport.bufferedBytes = 0
        if (transport.state === 'open') transport.handler.onDrain()
        await turn()
      }
      const act = async (event: string | undefined) => {
        if (event === 'answer') waiting.shift()?.()
        if (event === 'answer' || event === 'turn') await turn()
        if (event === 'stick') transport.isStuck = true
        if (event === 'drain') await drain()
        if (transport.state !== 'open') return
        if (event === 'leave') leave()
        if (event === 'shut-down') {
          isShut = true
          transport.handler.onShutdown(1000)
        }
        if (event === 'end' && !hasEnded && !transport.isPaused) {
          hasEnded = true
          transport.handler.onEnd()
        }
      }
      const borders = [...new Set(cuts.map(cut => cut % (text.length + 1)))].sort((a, b) => a - b)
      const actions = [...events]
      for (const end of [...borders, text.length]) {
        if (transport.state !== 'open' || hasEnded) break
        const piece = text.slice(received.length, end)
        received += piece
        transport.receive(piece)
        await act(actions.shift())
        await act(actions.shift())
      }
      for (const action of actions) await act(action)
      // All come to an end: the viewer reads, and all answers are given.
      transport.isStuck = false
      for (let calm = 0; calm < 3; calm++) {
        const isMoving = waiting.length > 0 || transport.bufferedBytes > 0
        if (isMoving) calm = 0
        waiting.shift()?.()
        await drain()
      }

      // Who idles, or comes to no end of a head, is left to the deadline.
      expect(transport.state !== 'open' || transport.deadlineMs > 0).toBe(true)
      if (isShut && transport.state === 'open') transport.handler.onDeadline()

      written = transport.takeWrites().join('')
      const { answers, rest: tail } = readAnswers(written)
      const asked = plainRequests(received)
      expect(answers.map(answer => answer.request)).toEqual(
        asked.slice(0, answers.length).map(plain => plain.request),
      )
      // Nothing comes after an answer that says it is the last; and nothing in between.
      expect(answers.slice(0, -1).filter(({ isClose }) => isClose)).toEqual([])
      if (!hasLeft && transport.state !== 'destroyed') {
        expect(tail === '' || /^HTTP\/1\.1 40[08] /.test(tail)).toBe(true)
      }
      const answeredTo = asked[answers.length - 1]?.end ?? 0
      if (transport.state === 'handed-over') {
        expect(transport.handedOver).toBe(received.slice(answeredTo))
        expect(answers.length).toBe(asked.length)
      }
      if (transport.state === 'open') {
        expect(answers.length).toBe(asked.length)
        expect(transport.isPaused).toBe(false)
        expect(isShut || hasEnded).toBe(false)
      }
      if (transport.state === 'ended') {
        const isLast = answers.at(-1)?.isClose === true
        expect(isLast || isShut || hasEnded || tail !== '').toBe(true)
      }
      const hasReadAll = !hasLeft
      leave()
      // Each that was begun has come to its end; who has read a whole answer is said to have it.
      const whole = ended.filter(isWhole => isWhole).length
      expect(whole).toBeLessThanOrEqual(answers.length)
      if (hasReadAll) expect(whole).toBe(answers.length)
      expect(ended.length).toBeGreaterThanOrEqual(Math.max(begun, answers.length))
      expect(ended.length).toBeLessThanOrEqual(answers.length + 1)
    }),
    { numRuns: RUNS },
  )
}, 3_600_000)
