import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { isAlive } from '../../../test/support/processes.ts'
import { type Command, runCommand } from './run-command.ts'

const COMMAND = 'echo out of beans; printf "no newline" >&2; exit 3'

const commandOf = (command: string, more: Partial<Command> = {}): Command => ({
  command,
  purpose: 'build the site',
  root: tmpdir(),
  environment: { PATH: process.env.PATH ?? '' },
  timeoutMs: 60_000,
  memoryMb: 4096,
  ...more,
})

describe('a build that fails', () => {
  it('is told in one line where its output was handed on, which ends its line', async () => {
    let shown = ''
    const failure = runCommand(commandOf(COMMAND), text => {
      shown += text
    })
    await expect(failure).rejects.toMatchObject({
      code: 'DEPLOY_BUILD_FAILED',
      message: `cannot build the site with "${COMMAND}": it ended with exit code 3`,
      hint: expect.stringContaining('nothing was changed'),
    })
    expect(shown).toContain('out of beans\n')
    expect(shown).toContain('no newline')
    expect(shown.endsWith('\n')).toBe(true)
  })

  it('is told with the end of its output where nobody was shown it', async () => {
    const failure = runCommand(commandOf('seq 1 1000; exit 3'), undefined)
    await expect(failure).rejects.toThrow(/exit code 3\n98\d\n.*1000$/s)
  })

  it('is ended when its time is over, with all that it started', async () => {
    const command = 'sleep 600 & echo $!; wait'
    let shown = ''
    const failure = runCommand(commandOf(command, { timeoutMs: 300 }), text => {
      shown += text
    })
    await expect(failure).rejects.toMatchObject({
      message: `cannot build the site with "${command}": it was ended after 0.3 s`,
      hint: expect.stringContaining('site.build.timeoutMinutes'),
    })
    await expect.poll(() => isAlive(Number(shown))).toBe(false)
  })

  it.runIf(process.platform === 'linux')('gets no more memory than it may have', async () => {
    const hog = `"${process.execPath}" -e "const all=[];for(;;)all.push(Buffer.alloc(1e7,1))" 2>/dev/null`
    const failure = runCommand(commandOf(hog, { memoryMb: 400 }), () => {})
    await expect(failure).rejects.toMatchObject({
      hint: expect.stringContaining('more than 400 MB'),
    })
  })
})

it('gives the environment that it is given, and no other', async () => {
  let shown = ''
  const environment = { PATH: process.env.PATH ?? '', ONLY: 'this' }
  await runCommand(commandOf('env', { environment }), text => {
    shown += text
  })
  const names = shown.split('\n').map(line => line.split('=')[0])
  const ofShell = ['PWD', 'OLDPWD', 'SHLVL', '_', '']
  expect(names.filter(name => !ofShell.includes(name!)).sort()).toEqual(['ONLY', 'PATH'])
})
