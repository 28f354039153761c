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

test('wrong usage of a command below a command leads to the help of that one', () => {
  const errors: string[] = []
  const program = createProgram()
  const set = program.commands.find(command => command.name() === 'secrets')!.commands[0]!
  set.configureOutput({ writeErr: text => errors.push(text) })
  expect(() => program.parse(['secrets', 'set'], { from: 'user' })).toThrow()
  expect(errors.join('')).toContain('try: moka secrets set --help')
})
