import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  watch,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { silentLogger } from '../shared/logger.ts'
import { connect } from './client/connect.ts'
import { openDatabase } from './database.ts'
import { isAlive, readPid } from './launcher/leftover.ts'
import type { Tie } from './launcher/run.ts'

const here = dirname(fileURLToPath(import.meta.url))
const PROJECT = 'counter'
const CLIENTS = 4
const NO_PROCESS = 2 ** 30 // above every pid_max

// A program of its own, so that it can be killed: counts, and says so once it is committed.
const PROGRAM = `
import { openDatabase } from ${JSON.stringify(join(here, 'database.ts'))}
import { connect } from ${JSON.stringify(join(here, 'client/connect.ts'))}
import { silentLogger } from ${JSON.stringify(join(here, '../shared/logger.ts'))}
const [directory, tie] = process.argv.slice(2)
const database = await openDatabase({ directory, tie, port: 0, logger: silentLogger })
const { url } = await database.ensure('${PROJECT}')
await database.migrate('${PROJECT}', [
  { name: '1', sha256: '1', sql: 'create table counter (n int); insert into counter values (0)' },
])
for (let client = 0; client < ${CLIENTS}; client += 1) void count()
async function count() {
  const { sql } = await connect(url)
  for (;;) {
    const [row] = await sql.unsafe('update counter set n = n + 1 returning n')
    process.stdout.write(row.n + '\\n')
  }
}
`

let workshop: string
let program: string

beforeAll(async () => {
  workshop = await mkdtemp(join(tmpdir(), 'moka-durability-'))
  program = join(workshop, 'program.mjs')
  await symlink(join(here, '../../node_modules'), join(workshop, 'node_modules'))
  await build({
    stdin: { contents: PROGRAM, resolveDir: here, loader: 'ts' },
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  })
})
afterAll(() => rm(workshop, { recursive: true, force: true }))

function start(directory: string, tie: Tie): ChildProcess {
  return spawn(process.execPath, [program, directory, tie], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/** Kills the program once it has acknowledged `more` increments; returns the highest it said. */
async function killAfter(child: ChildProcess, more: number): Promise<number> {
  let acknowledged = 0
  let seen = 0
  for await (const line of createInterface({ input: child.stdout! })) {
    acknowledged = Math.max(acknowledged, Number(line))
    seen += 1
    if (seen === more) child.kill('SIGKILL')
  }
  return acknowledged
}

async function storedCount(directory: string): Promise<number> {
  const database = await openDatabase({ directory, port: 0, logger: silentLogger })
  const connection = await connect(database.url(PROJECT))
  const [row] = await connection.sql.unsafe('select n from counter')
  await connection.close()
  await database.close()
  return Number(row?.n)
}

describe('after kill -9 of the program', () => {
  it.each<[Tie, number]>([
    ['kernel', 4],
    ['shell', 2],
  ])(
    'PostgreSQL ends by itself (%s), and every acknowledged increment is there',
    async (tie, rounds) => {
      const directory = join(workshop, tie)
      let acknowledged = 0
      for (let round = 1; round <= rounds; round += 1) {
        // Started while the last round's server may still be ending.
        const child = start(directory, tie)
        acknowledged = Math.max(acknowledged, await killAfter(child, round * 37))
      }
      // Nobody starts another one here that would end it: it has to go on its own.
      const ended = async () => !isAlive((await readPid(join(directory, 'data'))) ?? NO_PROCESS)
      await vi.waitFor(async () => expect(await ended()).toBe(true), {
        timeout: 30_000,
        interval: 10,
      })
      const stored = await storedCount(directory)
      expect(stored).toBeGreaterThanOrEqual(acknowledged)
      expect(stored).toBeLessThanOrEqual(acknowledged + CLIENTS * rounds)
    },
  )

  it('nothing is half made when it comes in the middle of initdb', async () => {
    const directory = join(workshop, 'interrupted')
    await mkdir(directory)
    const child = start(directory, 'kernel')
    const exit = once(child, 'exit')
    for await (const { filename } of watch(directory)) {
      if (filename?.startsWith('initialising')) break
    }
    child.kill('SIGKILL')
    await exit
    expect(await readdir(directory)).not.toContain('data')
    const again = start(directory, 'kernel')
    expect(await killAfter(again, 1)).toBeGreaterThanOrEqual(1)
    const left = (await readdir(directory)).filter(name => name.startsWith('initialising'))
    expect(left).toEqual([])
  })
})

describe.skipIf(process.getuid?.() !== 0)('as root (needs root)', () => {
  it('runs as the user whom the data belongs to', async () => {
    const directory = join(workshop, 'kernel')
    const data = join(directory, 'data')
    await chmod(workshop, 0o755)
    for (const entry of await readdir(data, { recursive: true, withFileTypes: true })) {
      await chown(join(entry.parentPath, entry.name), 65534, 65534)
    }
    await chown(data, 65534, 65534)
    const before = await storedCount(directory)
    const database = await openDatabase({ directory, port: 0, logger: silentLogger })
    await database.ensure(PROJECT)
    const pid = await readPid(data)
    if (process.platform === 'linux') {
      expect(await readFile(`/proc/${pid}/status`, 'utf8')).toMatch(/^Uid:\s+65534/m)
    }
    await database.close()
    expect(await storedCount(directory)).toBe(before)
  })
})
