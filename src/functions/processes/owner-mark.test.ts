import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { isOrphan, ownerMark, sweepOrphans } from './owner-mark.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'owner-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

/** The mark of a process that has been killed. */
async function deadMark(): Promise<string> {
  const child = spawn('sleep', ['100'])
  await once(child, 'spawn')
  const mark = ownerMark(child.pid)
  expect(isOrphan(`${mark}x`)).toBe(false)
  child.kill('SIGKILL')
  await once(child, 'exit')
  return mark
}

it('sweeps what the dead left, and nothing else', async () => {
  const dead = await deadMark()
  const kept = [
    `${ownerMark()}aaa`,
    'mokapot-0-0123456789abcdef',
    'other',
    `${dead}file`,
    `${dead}link`,
  ]
  for (const name of [`${dead}bbb`, ...kept.slice(0, 3)]) mkdirSync(join(directory, name))
  writeFileSync(join(directory, `${dead}bbb`, 'output'), '')
  writeFileSync(join(directory, `${dead}file`), '')
  symlinkSync(join(directory, 'other'), join(directory, `${dead}link`))
  sweepOrphans(directory)
  expect(readdirSync(directory).sort()).toEqual(kept.sort())
})

it.runIf(process.platform === 'linux')('knows a number that was given again by the start', () => {
  const reborn = ownerMark().replace(/-\w+-$/, '-zzz-')
  expect(isOrphan(`${reborn}x`)).toBe(true)
})

it.runIf(process.platform === 'linux')(
  'leaves what another namespace of processes owns',
  async () => {
    const foreign = (await deadMark()).replace(/^mokapot-\w+/, 'mokapot-other')
    expect(isOrphan(`${foreign}x`)).toBe(false)
  },
)

it('makes names that are short enough for a socket below', () => {
  expect(basename(`${ownerMark(4_194_304)}XXXXXX`).length).toBeLessThan(45)
})
