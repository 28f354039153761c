import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { moka, remove, startDev, temporaryFolder, writeProject } from '../support/moka.ts'

interface Result {
  target: string
  problems: number
  findings: { check: string; level: string; what: string; fix?: string }[]
}

let folder: string
beforeEach(async () => {
  folder = await temporaryFolder('doctor')
  await writeProject(folder, {
    'moka.config.ts': `export default { name: 'site' }\n`,
    'dist/index.html': '<h1>Hello</h1>',
  })
})
afterEach(() => remove(folder))

async function doctor(env: Record<string, string> = {}) {
  const { code, stdout } = await moka(['doctor', '--json'], { cwd: folder, env })
  const result = JSON.parse(stdout) as Result
  const find = (check: string) => result.findings.find(each => each.check === check)
  return { code, ...result, find }
}

describe('moka doctor', () => {
  it('says that no cloud runs, and which command starts one', async () => {
    const { find, target } = await doctor()
    expect(target).toBe('home')
    expect(find('cloud')).toMatchObject({ level: 'note', fix: expect.stringContaining('moka dev') })
    expect(find('data')).toMatchObject({ level: 'ok' })
    expect(find('tools')?.what).toContain(`Node ${process.versions.node}`)
  })

  it('finds the running cloud and its certificate, and has nothing against its ports', async () => {
    const cloud = await startDev(folder)
    try {
      const { code, find } = await doctor()
      expect(find('cloud')).toMatchObject({
        level: 'ok',
        what: expect.stringContaining(`(pid ${cloud.pid}), site ${cloud.addresses.site}`),
      })
      expect(find('ports')).toMatchObject({ level: 'ok', what: 'the running cloud has its own' })
      expect(find('certificate')).toMatchObject({
        level: 'ok',
        what: expect.stringMatching(/^of site\.localhost by .*, until \d{4}-/),
      })
      expect(code).toBe(0)
    } finally {
      await cloud.stop()
    }
  })

  it('names tools that functions need and that are not there', async () => {
    await writeProject(folder, {
      'moka.config.ts': `export default { name: 'site', functions: { visits: { entry: 'visits.py' } } }\n`,
      'visits.py': 'def handler(event, context): return {}\n',
    })
    const { code, findings } = await doctor({ PATH: folder })
    expect(code).toBe(1)
    expect(findings.filter(({ check }) => check === 'tools')).toEqual([
      expect.objectContaining({ level: 'ok' }),
      expect.objectContaining({ level: 'note', what: expect.stringContaining('git is not there') }),
      expect.objectContaining({ level: 'problem', what: expect.stringContaining('python3') }),
    ])
  })
})
