import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { openLogStore } from '../../functions/logs/log-store.ts'
import { createLogger } from '../../shared/logger.ts'
import { Masker } from '../../shared/masking/masker.ts'
import { maskIn, maskingStream, maskLogger, maskLogs } from './masking.ts'

const masker = new Masker(['hünter22'])

it('function logs have none on the disk, for followers, nor of what was logged before it was a secret', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'moka-masking-'))
  let current = new Masker([])
  const logs = maskLogs(await openLogStore({ directory, clock: { now: () => 0 } }), project =>
    project === 'site' ? current : new Masker([]),
  )
  const write = (project: string) =>
    logs.write({ timeMs: 1, project, function: 'f', stream: 'stdout', text: 'is hünter22' })
  const followed: string[] = []
  write('site')
  current = masker
  logs.follow('site', undefined, entry => followed.push(entry.text))
  write('site')
  write('other')
  expect((await logs.tail('site', 'f', 10)).map(entry => entry.text)).toEqual(['is ***', 'is ***'])
  expect((await logs.tail('other', 'f', 10)).map(entry => entry.text)).toEqual(['is hünter22'])
  expect(followed).toEqual(['is ***'])
  await logs.close()
  const lines = (await readFile(join(directory, 'site', 'f.ndjson'), 'utf8')).trim().split('\n')
  expect(lines.map(line => JSON.parse(line).text)).toEqual(['is hünter22', 'is ***'])
  await rm(directory, { recursive: true })
})

it('the cloud’s log has none, at any depth', () => {
  let logged = ''
  const logger = maskLogger(
    createLogger(line => {
      logged += line
    }),
    () => masker,
  )
  logger.error('it is hünter22', { count: 1, at: { list: ['hünter22', null] } })
  expect(logged).toBe('error it is *** {"count":1,"at":{"list":["***",null]}}\n')
})

it('a stream has none, wherever its bytes are cut', async () => {
  const bytes = Buffer.from('is hünter22, hünte')
  for (let cut = 1; cut < bytes.length; cut++) {
    const stream = maskingStream(masker)
    stream.write(bytes.subarray(0, cut))
    stream.end(bytes.subarray(cut))
    expect(await text(stream)).toBe('is ***, hünte')
  }
})

it('leaves what is no text as it is', () => {
  const value = { a: 1, b: [true, null, 'x'] }
  expect(maskIn(value, masker)).toEqual(value)
})
