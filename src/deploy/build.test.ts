import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { runBuild } from './build.ts'

const COMMAND = 'echo out of beans; printf "no newline" >&2; exit 3'

describe('a build that fails', () => {
  it('is told in one line where its output was handed on, which ends its line', async () => {
    let shown = ''
    const failure = runBuild(COMMAND, tmpdir(), text => {
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
    const command = 'seq 1 1000; exit 3'
    await expect(runBuild(command, tmpdir(), undefined)).rejects.toThrow(
      /exit code 3\n98\d\n.*1000$/s,
    )
  })
})
