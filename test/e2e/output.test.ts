import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findOnPath } from '../../src/shared/tied-process.ts'
import {
  copyPortfolio,
  MAIN,
  remove,
  spawnMoka,
  startDev,
  type TestCloud,
  temporaryFolder,
  until,
} from '../support/moka.ts'

// What people see: at a terminal of 80 columns, and in a file.

const run = promisify(execFile)
/** util-linux's script(1), which runs a command at a terminal of its own. */
const SCRIPT = findOnPath('script')

let project: string
beforeAll(async () => {
  project = await temporaryFolder('output')
  await copyPortfolio(project)
})
afterAll(() => remove(project))

describe('moka dev', () => {
  it('prints, once everything answers, where; with what and how it ends', async () => {
    const dev = spawnMoka(['dev', '--ephemeral'], { cwd: project })
    let output = ''
    dev.stdout.on('data', chunk => {
      output += chunk
    })
    await until(() => output.includes('Ctrl-C ends everything.\n'), 30_000, 'the addresses')
    const site = /^ {2}site +(http:\S+)$/m.exec(output)?.[1] ?? ''
    expect((await fetch(site)).status).toBe(200)
    expect(output).toMatch(/^ {2}portfolio {2}release r-1, mokapot \d/m)
    expect(output).toMatch(/^ {2}dns +127\.0\.0\.1:\d+$/m)
    expect(output).toMatch(/^ {2}control +http:\/\/127\.0\.0\.1:\d+$/m)
    expect(output).toMatch(
      /^ {2}database +postgres:\/\/portfolio:\S+@127\.0\.0\.1:\d+\/portfolio$/m,
    )
    expect(output).toMatch(/^ {2}function +visits, (?:Python|Node), at \/api\/visits$/m)
    const tooLong = output.split('\n').filter(line => line.length > 80)
    expect(tooLong.filter(line => !line.includes('postgres://'))).toEqual([])
    expect(output).not.toContain('\x1b')
    const exited = new Promise(resolve => dev.once('exit', resolve))
    dev.kill('SIGINT')
    expect(await exited).toBe(0)
  })
})

describe.skipIf(SCRIPT === undefined)('at a terminal (needs script)', () => {
  let cloud: TestCloud
  beforeAll(async () => {
    cloud = await startDev(project)
  })
  afterAll(() => cloud?.stop())

  const atTerminal = async (env: Record<string, string>): Promise<string> => {
    const { NO_COLOR: _no, FORCE_COLOR: _force, CI: _ci, ...rest } = process.env
    const command = `'${process.execPath}' '${MAIN}' releases`
    const { stdout } = await run(SCRIPT!, ['-qec', command, '/dev/null'], {
      cwd: project,
      env: { ...rest, TERM: 'xterm-256color', COLORTERM: '', ...env },
    })
    return stdout
  }

  it('styles its output, unless NO_COLOR is set', async () => {
    const styled = '\x1b['
    expect(await atTerminal({})).toContain(styled)
    const plain = await atTerminal({ NO_COLOR: '1' })
    expect(plain).toContain('is live')
    expect(plain).not.toContain(styled)
  })
})
