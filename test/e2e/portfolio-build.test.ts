import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { copyPortfolio, remove, temporaryFolder } from '../support/moka.ts'

// A mistake of whoever makes the portfolio their own is named with its file and line.

let project: string
beforeEach(async () => {
  project = await temporaryFolder('portfolio')
  await copyPortfolio(project)
})
afterEach(() => remove(project))

async function change(file: string, from: string, to: string): Promise<number> {
  const path = join(project, file)
  const text = await readFile(path, 'utf8')
  expect(text).toContain(from)
  await writeFile(path, text.replace(from, to))
  return text.slice(0, text.indexOf(from)).split('\n').length
}

async function failure(): Promise<string> {
  const build = promisify(execFile)(process.execPath, ['build.mjs'], { cwd: project })
  const { code, stderr } = await build.then(
    () => ({ code: 0, stderr: '' }),
    error => error as { code: number; stderr: string },
  )
  expect(code).toBe(1)
  return stderr
}

describe('the build of the portfolio', () => {
  it.each([
    ['a word without quotes', '"place": "', '"place": x"'],
    ['a name without quotes', '"place":', 'place:'],
    ['a word too many', '"place":', '"place" place:'],
  ])('names the line of site.json with %s', async (_, from, to) => {
    const line = await change('site.json', from, to)
    expect(await failure()).toMatch(
      new RegExp(`^cannot build the site: site\\.json, line ${line}: .+\\n$`),
    )
  })

  it('names the line where site.json ends too early', async () => {
    await writeFile(join(project, 'site.json'), '{\n  "name": "x"\n')
    expect(await failure()).toMatch(/^cannot build the site: site\.json, line 2: .+\n$/)
  })

  it.each([
    [
      'an unknown field',
      '{{description}}',
      '{{descriptoin}}',
      'has {{descriptoin}}, but site.json',
    ],
    ['a missing file', '/css/main.css', '/css/mian.css', 'refers to /css/mian.css, which does not'],
  ])('names the part and its line with %s', async (_, from, to, said) => {
    const line = await change('parts/head.html', from, to)
    expect(await failure()).toContain(
      `cannot build the site: parts/head.html, line ${line}, ${said}`,
    )
  })

  it('names the page that wants a part which is not there', async () => {
    const line = await change('site/index.html', 'part: head ', 'part: hed ')
    expect(await failure()).toContain(
      `cannot build the site: site/index.html, line ${line}, wants parts/hed.html, which does not exist`,
    )
  })
})
