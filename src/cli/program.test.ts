import { expect, test, vi } from 'vitest'
import { createProgram } from './program.ts'

const up = vi.hoisted(() => vi.fn())
vi.mock('./commands/up.ts', () => ({ up }))

test('--ephemeral leaves a port that is named', async () => {
  const words = ['up', '--ephemeral', '--site-port', '8080', '--host', '127.0.0.1']
  await createProgram().parseAsync(words, { from: 'user' })
  expect(up.mock.lastCall?.[0]).toMatchObject({
    sitePort: 8080,
    httpsPort: 0,
    controlPort: 0,
    dnsPort: 0,
    awsPort: 0,
    databasePort: 0,
    host: '127.0.0.1',
  })

  await createProgram().parseAsync(['up'], { from: 'user' })
  expect(up.mock.lastCall?.[0]).toMatchObject({ sitePort: 80, dnsPort: 53, controlPort: 8081 })
})
