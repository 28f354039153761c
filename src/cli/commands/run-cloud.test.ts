import { expect, test } from 'vitest'
import { createReporter } from '../reporter.ts'
import { ownLogger } from './run-cloud.ts'

test('an entry of the log takes the place of the progress that a terminal shows', () => {
  let screen = ''
  const terminal = {
    isTTY: true,
    columns: 80,
    write: (text: string) => {
      screen += text
      return true
    },
  } as unknown as NodeJS.WriteStream
  const reporter = createReporter(false, terminal, terminal)
  reporter.progress('checking the release …')
  ownLogger(reporter).warn('a port is taken')
  expect(screen).toMatch(/…\r\x1b\[2Kwarn a port is taken\n$/)
})
