import { execFileSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasPython } from '../../src/index.ts'
import { moka, ROOT, startDev, type TestCloud } from '../support/moka.ts'

// What tells of a project and changes nothing, asked of the example as it runs.

let root: string
let folder: string
let cloud: TestCloud

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'moka-reports-'))
  folder = join(root, 'portfolio')
  const isMade = (path: string) => /\/(?:dist|dist\.tmp|\.moka)(?:\/|$)/.test(path)
  const example = join(ROOT, 'examples/portfolio')
  await cp(example, folder, {
    recursive: true,
    filter: path => !isMade(path.slice(example.length)),
  })
  cloud = await startDev(folder)
})

afterAll(async () => {
  await cloud?.stop()
  await rm(root, { recursive: true, force: true })
})

interface Score {
  done: number
  of: number
  steps: { number: number; outcome: { kind: string; evidence?: string } }[]
}

async function score(
  args: readonly string[] = [],
): Promise<Map<number, { kind: string; evidence?: string }>> {
  const { code, stdout, stderr } = await moka(['crc', '--json', ...args], { cwd: folder })
  expect(code, stderr).toBe(0)
  const { done, of, steps } = JSON.parse(stdout) as Score
  expect(of).toBe(14)
  expect(done).toBe(steps.filter(({ outcome }) => outcome.kind === 'done').length)
  return new Map(steps.map(({ number, outcome }) => [number, outcome]))
}

describe('moka crc', () => {
  it('finds what the running example shows, by asking it', async () => {
    const steps = await score()
    for (const number of [2, 3, 4, 5, 6, 7, 8, 9, 12, 15]) {
      expect(steps.get(number), `step ${number}`).toMatchObject({ kind: 'done' })
    }
    expect(steps.get(5)?.evidence).toContain('TLSv1.3 with a certificate for portfolio.example')
    expect(steps.get(6)?.evidence).toBe(
      `portfolio.example A 127.0.0.1, says ${cloud.addresses.dns}`,
    )
    expect(steps.get(8)?.evidence).toMatch(/^POST \/api\/visits twice: (\d+), then \d+, kept/)
    expect(steps.get(10)?.kind).toBe(hasPython('3.9') ? 'done' : 'missing')
    expect(steps.get(11)?.evidence).toContain('tests/test_visits.py, 3 tests')
    expect(steps.get(13)?.kind).toBe('missing')
    expect(steps.get(14)?.kind).toBe(hasPython('3.9') ? 'done' : 'missing')
  })

  it('finds tests and a repository as they come', async () => {
    await mkdir(join(folder, 'tests'), { recursive: true })
    await writeFile(join(folder, 'tests/test_more.py'), 'def test_more():\n    assert 1\n')
    const git = (...args: string[]) =>
      execFileSync('git', [
        '-C',
        folder,
        '-c',
        'user.name=a',
        '-c',
        'user.email=a@b.example',
        ...args,
      ])
    git('init', '-q')
    git('add', '.')
    git('commit', '-qm', 'First version')
    git('remote', 'add', 'origin', 'https://forge.example/lena/portfolio.git')
    const steps = await score()
    expect(steps.get(11)?.kind).toBe('done')
    expect(steps.get(13)?.evidence).toContain('"First version"')
  })

  it('shows of a site that nobody serves what lies in its folder, and no request', async () => {
    const alone = join(root, 'alone')
    await cp(folder, alone, { recursive: true, filter: path => !path.includes('.moka') })
    const { code, stdout, stderr } = await moka(['crc'], { cwd: alone })
    expect(code).toBe(0)
    expect(stderr).toContain('no cloud is running here')
    expect(stdout).toMatch(/^ 2 {2}HTML +not shown {2}/m)
    expect(stdout).toMatch(/^11 {2}Tests +done /m)
    expect(stdout).toMatch(/\d of 14 steps; 1, a certification, and 16, a blog post, are yours\n$/)
  })
})

describe('moka cost', () => {
  it('estimates the example from its built site, with what its function took at home', async () => {
    const { code, stdout, stderr } = await moka(['cost', '--json', '--region', 'us-east-1'], {
      cwd: folder,
    })
    expect(code, stderr).toBe(0)
    const report = JSON.parse(stdout)
    expect(report.estimates.map(({ visits }: { visits: number }) => visits)).toEqual([
      10_000, 100_000,
    ])
    expect(report.estimates[0].usd).toBeGreaterThanOrEqual(14.48)
    expect(report.estimates[0].usd).toBeLessThan(14.6)
    expect(report.site.page.files).toBeGreaterThan(3)
    expect(report.assumptions.join()).toMatch(/visits \d+ ms, as at home/)
    expect(report.estimates[0].lines[0].price.source.page).toMatch(/^https:/)
  })

  it('fits a terminal of 80 columns, and ends with the sum', async () => {
    const { stdout } = await moka(['cost', '--visits', '5000'], { cwd: folder })
    const lines = stdout.trimEnd().split('\n')
    expect(lines.slice(0, -1).filter(line => line.length > 80)).toEqual([])
    expect(lines[0]).toMatch(/5,000 visits +50,000 visits$/)
    expect(lines.at(-1)).toMatch(/^14\.\d\d USD a month for 5,000 visits/)
  })

  it.each([
    [['--visits', 'many'], 2, 'visits are a whole number'],
    [['--region', 'Frankfurt'], 1, 'cannot tell the costs in "Frankfurt"'],
  ])('refuses %j', async (args, expected, message) => {
    const { code, stderr } = await moka(['cost', ...args], { cwd: folder })
    expect(code).toBe(expected)
    expect(stderr).toContain(message)
  })
})
