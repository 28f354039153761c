import { expect, it } from 'vitest'
import { parseLogEvent } from './log-line.ts'

const ID = '8f5e1a6e-0f5c-4c0e-9a57-0a1b2c3d4e5f'
const OTHER = '11111111-2222-4333-8444-555555555555'

/** What Lambda wrote to one stream, one after the other. */
function parse(...messages: string[]) {
  const current = new Map<string, string>()
  return messages.map(message => {
    const event = { timeMs: 1, stream: 'a', message: `${message}\n` }
    const { text, stream, requestId, isFailure } = parseLogEvent(
      event,
      { project: 'site', function: 'visits' },
      current,
    )
    return [text, stream, requestId, ...(isFailure ? ['failure'] : [])]
  })
}

it('takes what Node’s console put before a line away, and keeps what it says', () => {
  expect(
    parse(
      `2026-05-01T10:00:00.000Z\t${ID}\tINFO\thello\nyou`,
      `2026-05-01T10:00:00.000Z\t${ID}\tERROR\tno`,
      `2026-05-01T10:00:00.000Z\t${ID}\tERROR\tInvoke Error \t{"errorType":"Error"}`,
      '2026-05-01T10:00:00.000Z\tundefined\tINFO\tat init',
    ),
  ).toEqual([
    ['hello\nyou', 'stdout', ID],
    ['no', 'stderr', ID],
    ['Invoke Error \t{"errorType":"Error"}', 'stderr', ID, 'failure'],
    ['at init', 'stdout', undefined],
  ])
})

it('leaves lines of Python as they are at home, each with its invocation', () => {
  expect(
    parse(
      'before',
      `START RequestId: ${ID} Version: 3`,
      'printed',
      `[WARNING]\t2026-05-01T10:00:00.000Z\t${ID}\tcareful`,
      '[ERROR] ValueError: nobody came\nTraceback (most recent call last):',
      `END RequestId: ${ID}`,
      `REPORT RequestId: ${ID}\tDuration: 1.00 ms`,
      'after',
      `START RequestId: ${OTHER} Version: 3`,
      'printed again',
      `2026-05-01T10:00:03.000Z ${OTHER} Task timed out after 3.00 seconds`,
    ),
  ).toEqual([
    ['before', 'stdout', undefined],
    [`START RequestId: ${ID} Version: 3`, 'platform', ID],
    ['printed', 'stdout', ID],
    [`[WARNING]\t2026-05-01T10:00:00.000Z\t${ID}\tcareful`, 'stderr', ID],
    [
      '[ERROR] ValueError: nobody came\nTraceback (most recent call last):',
      'stderr',
      ID,
      'failure',
    ],
    [`END RequestId: ${ID}`, 'platform', ID],
    [`REPORT RequestId: ${ID}\tDuration: 1.00 ms`, 'platform', ID],
    ['after', 'stdout', undefined],
    [`START RequestId: ${OTHER} Version: 3`, 'platform', OTHER],
    ['printed again', 'stdout', OTHER],
    [
      `2026-05-01T10:00:03.000Z ${OTHER} Task timed out after 3.00 seconds`,
      'platform',
      OTHER,
      'failure',
    ],
  ])
})
