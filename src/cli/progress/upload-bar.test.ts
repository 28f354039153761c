import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { createReporter } from '../reporter.ts'
import { uploadBar } from './upload-bar.ts'

const progressOf = (blobs: number, sizeBytes: number) => ({
  ...{ blobs, totalBlobs: 100, sizeBytes, totalBytes: 40_000_000 },
})

/** What a terminal, or a file, is sent while an upload goes on, 50 ms between two reports. */
function shownOn(isTTY: boolean, reports: ReturnType<typeof progressOf>[]): string {
  const stderr = Object.assign(new PassThrough(), { isTTY, columns: 100 })
  let nowMs = 0
  const reporter = createReporter(false, process.stdout, stderr as never)
  const show = uploadBar(reporter, () => nowMs)
  for (const report of reports) {
    show(report)
    nowMs += 50
  }
  return String(stderr.read() ?? '')
}

describe('an upload', () => {
  it('is one line of a terminal, with what is sent, how fast, and what is left', () => {
    const shown = shownOn(
      true,
      Array.from({ length: 41 }, (_, index) => progressOf(index, index * 500_000)),
    )
    const lines = shown.split('\r\x1b[2K').slice(1)
    expect(lines[0]).toBe('uploading [....................] 0.0 of 40.0 MB, 0 of 100 objects')
    expect(lines.at(-1)).toBe(
      'uploading [##########..........] 20.0 of 40.0 MB, 40 of 100 objects, 10.0 MB/s, 2.0 s left',
    )
    expect(lines).toHaveLength(21) // of 41 reports
    expect(shown).not.toContain('\n')
  })

  it('says nothing where there is no terminal', () => {
    expect(shownOn(false, [progressOf(1, 1000), progressOf(2, 2000), progressOf(3, 3000)])).toBe('')
  })
})
