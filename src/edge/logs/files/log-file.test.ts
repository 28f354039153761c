import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LogFile, type LogFileLimits } from './log-file.ts'
import { type LogFiles, systemLogFiles } from './log-files.ts'

let directory: string
let path: string
let now = 0
let problems: string[] = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moka-log-'))
  path = join(directory, 'access', 'edge-1.log')
  now = Date.now()
  problems = []
})
afterEach(() => rm(directory, { recursive: true, force: true }))

function openLog(limits: Partial<LogFileLimits> = {}, files?: LogFiles, head = ''): LogFile {
  return new LogFile({
    path,
    head,
    gap: lines => `${lines} dropped\n`,
    clock: { now: () => now },
    onProblem: reason => problems.push(reason),
    ...(files && { files }),
    limits,
  })
}

const textOf = (name = 'edge-1.log') => readFile(join(directory, 'access', name), 'utf8')

describe('lines', () => {
  test('are in the file in their order, after the head', async () => {
    const log = openLog({}, undefined, '#head\n')
    for (let line = 1; line <= 5000; line++) log.append(`${line}\n`)
    await log.flush()
    const lines = (await textOf()).split('\n')
    expect(lines.shift()).toBe('#head')
    expect(lines).toEqual([...Array.from({ length: 5000 }, (_, at) => String(at + 1)), ''])
    expect(log.stats()).toEqual({ written: 5000, dropped: 0 })
    await log.close(1000)
  })

  test('are written without being asked for, once they have waited', async () => {
    const log = openLog({ batchMs: 5 })
    log.append('one\n')
    await expect.poll(() => textOf().catch(() => '')).toBe('one\n')
    await log.close(1000)
  })

  test('go on after those of an earlier process, and the head does not come again', async () => {
    for (const line of ['one\n', 'two\n']) {
      const log = openLog({}, undefined, '#head\n')
      log.append(line)
      await log.close(1000)
    }
    expect(await textOf()).toBe('#head\none\ntwo\n')
  })

  test('a line that was cut off by a death keeps to itself', async () => {
    const first = openLog()
    first.append('{"whole":1}\n')
    await first.close(1000)
    await writeFile(path, '{"to', { flag: 'a' })
    const second = openLog()
    second.append('{"whole":2}\n')
    await second.close(1000)
    expect(await textOf()).toBe('{"whole":1}\n{"to\n{"whole":2}\n')
  })

  test('a file is for its owner alone', async () => {
    const log = openLog()
    log.append('one\n')
    await log.close(1000)
    expect((await stat(path)).mode & 0o077).toBe(0)
  })
})

describe('a file', () => {
  test('that is full is put aside, and only so many are kept', async () => {
    const log = openLog({ maxFileBytes: 10, keptFiles: 2 }, undefined, '#h\n')
    for (const line of ['aaaaaa\n', 'bbbbbb\n', 'cccccc\n', 'dddddd\n']) {
      log.append(line)
      await log.flush()
    }
    expect(await textOf()).toBe('#h\ndddddd\n')
    expect(await textOf('edge-1.log.1')).toBe('#h\ncccccc\n')
    expect(await textOf('edge-1.log.2')).toBe('#h\nbbbbbb\n')
    expect((await readdir(join(directory, 'access'))).length).toBe(3)
    await log.close(1000)
  })

  test('that is a day old is put aside', async () => {
    const log = openLog({ maxFileAgeMs: 86_400_000 })
    log.append('today\n')
    await log.flush()
    now += 86_000_000
    log.append('still\n')
    await log.flush()
    expect(await textOf()).toBe('today\nstill\n')
    now += 500_000
    log.append('tomorrow\n')
    await log.flush()
    expect(await textOf()).toBe('tomorrow\n')
    expect(await textOf('edge-1.log.1')).toBe('today\nstill\n')
    await log.close(1000)
  })

  test('is put aside by the day, also where nobody comes: old lines do not stay', async () => {
    const files: LogFiles = {
      ...systemLogFiles,
      async open(name) {
        const createdMs = now // of the moment before the file is there, at which a day passes
        return { ...(await systemLogFiles.open(name)), createdMs }
      },
    }
    const log = openLog({ maxFileAgeMs: 86_400_000, keptFiles: 2, ageCheckMs: 5 }, files)
    log.append('somebody came\n')
    await log.flush()
    for (const name of ['edge-1.log.1', 'edge-1.log.2']) {
      now += 86_400_000
      await expect.poll(() => textOf(name).catch(() => '')).toBe('somebody came\n')
    }
    now += 86_400_000
    await expect.poll(() => textOf('edge-1.log.2')).toBe('')
    expect(await textOf()).toBe('')
    await log.close(1000)
  })

  test('that was moved away is let go, and a new one begun', async () => {
    const log = openLog({ checkMs: 100 })
    log.append('before\n')
    await log.flush()
    await rename(path, join(directory, 'access', 'archived'))
    now += 100
    log.append('after\n')
    await log.flush()
    expect(await textOf('archived')).toBe('before\n')
    expect(await textOf()).toBe('after\n')
    await log.close(1000)
  })

  test('that was removed with its folder is made again', async () => {
    const log = openLog({ checkMs: 100 })
    log.append('before\n')
    await log.flush()
    await rm(join(directory, 'access'), { recursive: true })
    now += 100
    log.append('after\n')
    await log.flush()
    expect(await textOf()).toBe('after\n')
    await log.close(1000)
  })
})

describe('a disk', () => {
  test('that stands still costs bounded memory; what is dropped is counted, and told in the log', async () => {
    const disk = new OddDisk()
    const log = openLog({ maxWaitingBytes: 1000, batchBytes: 100 }, disk)
    disk.isStuck = true
    for (let line = 0; line < 500; line++) log.append('123456789\n')
    expect(log.stats().dropped).toBe(400)
    await expect.poll(() => disk.isWaiting).toBe(true)
    disk.unstick()
    await log.flush()
    log.append('at last\n')
    await log.flush()
    expect(log.stats()).toEqual({ written: 101, dropped: 400 })
    const line = '123456789\n'
    expect(disk.text).toBe(`${line.repeat(10)}400 dropped\n${line.repeat(90)}at last\n`)
    await log.close(1000)
  })

  test('that stands still does not keep the log from closing', async () => {
    const disk = new OddDisk()
    const log = openLog({}, disk)
    disk.isStuck = true
    log.append('never written\n')
    await log.close(20)
    expect(log.stats().written).toBe(0)
    expect(disk.isWaiting).toBe(true)
    disk.unstick()
  })

  test('that is full loses lines and nothing else, and is tried again a second later', async () => {
    const disk = new OddDisk()
    const log = openLog({}, disk)
    disk.isFull = true
    for (let batch = 0; batch < 3; batch++) {
      log.append('lost\n')
      await log.flush()
    }
    expect(log.stats()).toEqual({ written: 0, dropped: 3 })
    expect(problems).toEqual(['no space left on device'])
    disk.isFull = false
    now += 1000
    log.append('kept\n')
    await log.flush()
    expect(disk.text).toBe('3 dropped\nkept\n')
    await log.close(1000)
  })

  test('that takes less than it was given gets the rest', async () => {
    const disk = new OddDisk()
    disk.mostAtOnce = 7
    const log = openLog({}, disk)
    log.append('a line that is longer\n')
    log.append('and one more\n')
    await log.flush()
    expect(disk.text).toBe('a line that is longer\nand one more\n')
    await log.close(1000)
  })

  test('that fails in the middle of a line gets a newline before the next', async () => {
    const disk = new OddDisk()
    disk.mostAtOnce = 4
    disk.failsAfterBytes = 4
    const log = openLog({}, disk)
    log.append('broken\n')
    await log.flush()
    disk.failsAfterBytes = Number.POSITIVE_INFINITY
    now += 1000
    log.append('whole\n')
    await log.flush()
    expect(disk.text).toBe('brok\n1 dropped\nwhole\n')
    await log.close(1000)
  })
})

/** A disk in memory, with faults. */
class OddDisk implements LogFiles {
  text = ''
  isStuck = false
  isWaiting = false
  isFull = false
  mostAtOnce = Number.POSITIVE_INFINITY
  failsAfterBytes = Number.POSITIVE_INFINITY
  unstick: () => void = () => {}

  async open() {
    return {
      identity: 'same',
      sizeBytes: this.text.length,
      createdMs: now,
      isTorn: this.text !== '' && !this.text.endsWith('\n'),
      write: (bytes: Uint8Array) => this.#write(bytes),
      close: async () => {},
    }
  }

  async rename(): Promise<void> {}
  async remove(): Promise<void> {}

  async identityOf(): Promise<string> {
    return 'same'
  }

  async #write(bytes: Uint8Array): Promise<number> {
    if (this.isStuck) {
      this.isWaiting = true
      await new Promise<void>(resolve => {
        this.unstick = () => {
          this.isStuck = false
          resolve()
        }
      })
    }
    if (this.isFull || this.text.length >= this.failsAfterBytes) {
      throw new Error('no space left on device')
    }
    const taken = Buffer.from(bytes).subarray(0, this.mostAtOnce)
    this.text += taken.toString('latin1')
    return taken.byteLength
  }
}

test('files of the system tell a torn end, and what was moved', async () => {
  await expect(systemLogFiles.identityOf(path)).resolves.toBeUndefined()
  const file = await systemLogFiles.open(path)
  await file.write(Buffer.from('torn'))
  await file.close()
  const again = await systemLogFiles.open(path)
  expect(again).toMatchObject({ sizeBytes: 4, isTorn: true, identity: file.identity })
  await again.close()
})
