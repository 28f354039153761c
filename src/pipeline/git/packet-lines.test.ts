import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { packet, readPushHead } from './packet-lines.ts'

const [NONE, COMMIT] = ['0'.repeat(40), 'a'.repeat(40)]
const read = (ref: string) => {
  const line = Buffer.from(`${NONE} ${COMMIT} ${ref}\0 report-status`).toString('latin1')
  return readPushHead(Readable.from([Buffer.concat([packet(line), Buffer.from('0000PACK')])]))
}

test.each([
  'refs/heads/main',
  'refs/heads/a/b.c-d_e',
  'refs/heads/ü',
  'refs/tags/v1.0',
  'refs/heads/@',
])('a push of %s is read, and the pack left', async ref => {
  expect((await read(ref)).commands).toEqual([{ from: NONE, to: COMMIT, ref }])
})

test.each([
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
