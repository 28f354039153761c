import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { hintForImport, withEsbuild } from './with-esbuild.ts'

const transform = (code: string) =>
  withEsbuild(esbuild => esbuild.transform(code, { loader: 'ts' })).then(({ code }) => code.trim())

/** esbuild's processes among our children. */
function servicePids(): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .filter(pid => {
      try {
        const [, parent] = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ')
        const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1')
        return Number(parent) === process.pid && command.includes('esbuild')
      } catch {
        return false // ended meanwhile
      }
    })
}

test.skipIf(process.platform !== 'linux')(
  'a process of esbuild that was killed is replaced, for all that need it at once',
  async () => {
    await transform('1')
    const pids = servicePids()
    expect(pids).toHaveLength(1)
    process.kill(pids[0]!, 'SIGKILL')
    const all = await Promise.all(['a as b', 'c as d', 'e as f'].map(transform))
    expect(all).toEqual(['a;', 'c;', 'e;'])
    expect(servicePids()).not.toContain(pids[0])
    expect(servicePids()).toHaveLength(1)
  },
)

test('an error in the code is thrown as it is', async () => {
  await expect(transform('const = 1')).rejects.toThrow(/Expected identifier/)
})

test.each([
  ['a.ts:1:19: ERROR: Could not resolve "leftpadx"', 'npm install leftpadx'],
  ['Could not resolve "@a/b/c.js"', 'npm install @a/b'],
  ["Cannot find package 'chalk' imported from /x/y.mjs", 'npm install chalk'],
  ['Could not resolve "./gone.ts"', 'correct the path of the import'],
  ['Expected ")" but found end of file', undefined],
])('%j hints at %j', (message, hint) => {
  expect(hintForImport(message)).toBe(hint)
})
