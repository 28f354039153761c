import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { encodeProgress, encodePushHead, packet, readPushHead } from './packet-lines.ts'

const A = 'a'.repeat(40)
const B = 'b'.repeat(40)
const NOTHING = '0'.repeat(40)
/** One character an octet. */
const line = (text: string) => packet(Buffer.from(text).toString('latin1')).toString('latin1')
const HEAD = `${line(`shallow ${A}`)}${line(`${A} ${B} refs/heads/main\0 report-status-v2 side-band-64k agent=git/2.39.5`)}${line(`${NOTHING} ${A} refs/heads/füße\n`)}0000`
const PACK = Buffer.from([0x50, 0x41, 0x43, 0x4b, 0, 0, 0, 2, 0xff, 0x30, 0x30, 0x30, 0x30])

it('reads what a push wants, and leaves the pack, wherever the body is cut', async () => {
  const whole = Buffer.concat([Buffer.from(HEAD, 'latin1'), PACK])
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: whole.length - 1 })), async cuts => {
      const ends = [...new Set([...cuts, whole.length])].sort((a, b) => a - b)
      const chunks = ends.map((end, index) => whole.subarray(ends[index - 1] ?? 0, end))
      const stream = Readable.from(chunks, { objectMode: false })
      const head = await readPushHead(stream)
      expect(head.commands.map(({ ref }) => ref)).toEqual(['refs/heads/main', 'refs/heads/füße'])
      expect(head.capabilities).toContain('side-band-64k')
      expect(PACK.equals(await buffer(stream))).toBe(true)
    }),
    { numRuns: 50 },
  )
})

it('writes a head again, octet by octet, with other commands where they are other', async () => {
  const head = await readPushHead(Readable.from([Buffer.from(HEAD, 'latin1')]))
  expect(encodePushHead(head, head.commands).toString('latin1')).toBe(HEAD)
  const [first, second] = head.commands
  const moved = encodePushHead(head, [{ ...first!, from: NOTHING }, second!])
  const [again] = (await readPushHead(Readable.from([moved]))).commands
  expect(again).toEqual({ from: NOTHING, to: B, ref: 'refs/heads/main' })
})

it('finds nothing in the body that clients try with', async () => {
  expect(await readPushHead(Readable.from([Buffer.from('0000')]))).toMatchObject({ commands: [] })
})

it.each([
  ['an empty body', ''],
  ['a body that ends in a line', line(`${A} ${B} refs/heads/main`).slice(0, -3)],
  ['a length that is none', 'zzzz'],
  ['a length shorter than itself', '0003'],
  ['a line that is no command', `${line('push-cert\0')}0000`],
  ['an object name that is none', `${line('abc def refs/heads/main')}0000`],
])('refuses %s', async (_, body) => {
  await expect(readPushHead(Readable.from([Buffer.from(body)]))).rejects.toMatchObject({
    code: 'PIPELINE_BAD_REQUEST',
  })
})

it('refuses a head without end, before it fills the memory', async () => {
  const endless = Readable.from(
    (function* () {
      for (;;) yield Buffer.from(line(`${A} ${B} refs/heads/${'x'.repeat(60_000)}`))
    })(),
  )
  await expect(readPushHead(endless)).rejects.toThrow('too many refs')
})

it('refuses a body that is cut off', async () => {
  const body = new PassThrough()
  const reading = readPushHead(body)
  body.write('00')
  body.destroy()
  await expect(reading).rejects.toThrow('cut off')
})

it('frames text for the terminal', () => {
  expect(encodeProgress('hi\n').toString('latin1')).toBe('0008\u0002hi\n')
  expect(encodeProgress('x'.repeat(100_000)).length).toBe(65_520)
})

const read = (ref: string) => {
  const line = Buffer.from(`${NOTHING} ${A} ${ref}\0 report-status`).toString('latin1')
  return readPushHead(Readable.from([Buffer.concat([packet(line), Buffer.from('0000PACK')])]))
}

it.each([
  'refs/heads/main',
  'refs/heads/a/b.c-d_e',
  'refs/heads/ü',
  'refs/tags/v1.0',
  'refs/heads/@',
])('a push of %s is read, and the pack left', async ref => {
  expect((await read(ref)).commands).toEqual([{ from: NOTHING, to: A, ref }])
})

it.each([
  'refs/heads/../../../token',
  'refs/heads/a/../../../../x',
  'refs/heads/.hidden',
  'refs/heads/a..b',
  'refs/heads/a.lock',
  'refs/heads/a.lock/b',
  'refs/heads//a',
  'refs/heads/a/',
  'refs/heads/a.',
  'refs/heads/a b',
  'refs/heads/a\\b',
  'refs/heads/a\u001bb',
  'refs/heads/a@{1}',
  'refs/heads/*',
  'HEAD',
  '../x',
])('a push of %j is refused before its name is a path of ours', async ref => {
  await expect(read(ref)).rejects.toMatchObject({
    code: 'PIPELINE_BAD_REQUEST',
    message: expect.stringContaining('is no name of a ref'),
  })
})
