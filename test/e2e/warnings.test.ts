import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ask } from '../support/http.ts'
import { moka, remove, startDev, temporaryFolder, until, writeProject } from '../support/moka.ts'

let project: string
beforeEach(async () => {
  project = await temporaryFolder('warnings')
})
afterEach(() => remove(project))

it('rules that will not do what they say are deployed with a warning, said once by dev', async () => {
  await writeProject(project, {
    'dist/index.html': 'first',
    'dist/_redirects': '/a /b 302 Role=admin\n',
    'dist/_headers': '/*\n  Server: mine\n  X-One: 1\n',
  })
  const warnings = [
    expect.stringMatching(/^_redirects, line 1: condition "Role=admin" is never met/),
    '_headers, line 2: header "Server" has no effect: the edge sets it itself',
  ]
  const cloud = await startDev(project)
  expect(cloud.errors().match(/^warning: .+$/gm)).toEqual([
    expect.stringContaining('_redirects, line 1: '),
    `warning: ${warnings[1]}`,
  ])
  const page = async () => String((await ask(cloud.addresses.site, '/')).body)
  await writeFile(join(project, 'dist/index.html'), 'second')
  await until(async () => (await page()) === 'second', 30_000, 'the change')
  expect(cloud.errors().match(/^warning: /gm)).toHaveLength(2)

  const deployed = await moka(['deploy', '--json'], { cwd: project })
  expect(JSON.parse(deployed.stdout)).toMatchObject({ warnings })
  expect(deployed.stderr).toContain(`warning: ${warnings[1]}\n`)
  await cloud.stop()
})
