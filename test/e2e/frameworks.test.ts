import { cp, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { closeOwnCloud, type OwnCloud, openOwnCloud } from '../support/deploying.ts'
import { ask } from '../support/http.ts'
import { moka, ROOT, writeProject } from '../support/moka.ts'

// Projects as their frameworks' makers begin them: with nothing but a name, `moka deploy` builds them.

let own: OwnCloud
beforeAll(async () => {
  own = await openOwnCloud('frameworks')
})
afterAll(() => closeOwnCloud(own))

const get = (path: string, host: string) => ask(own.cloud.addresses.site, path, { host })

/** Deploys the project in a folder of the cloud's own; what was said while it was built. */
async function deploy(folder: string): Promise<string> {
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  const env = { MOKA_HOME: own.home }
  const { code, stderr } = await moka(['deploy'], { cwd: folder, env })
  expect(code, stderr).toBe(0)
  return stderr
}

test('the starter of create-vite, by its own script', async () => {
  const folder = join(own.root, 'vite')
  await cp(join(ROOT, 'node_modules/create-vite/template-vanilla'), folder, { recursive: true })
  await writeFile(join(folder, 'moka.config.ts'), `export default { name: 'vite-starter' }\n`)
  expect(await deploy(folder)).toContain('> vite build')
  const host = 'vite-starter.localhost'
  const page = await get('/', host)
  expect(page.status).toBe(200)
  const [, script = ''] =
    /<script type="module" crossorigin src="([^"]+)"/.exec(`${page.body}`) ?? []
  expect(script).toMatch(/^\/assets\/index-[\w-]{8}\.js$/)
  const asset = await get(script, host)
  expect(asset.headers['cache-control']).toContain('immutable')
  expect(asset.body).toEqual(await readFile(join(folder, 'dist', script)))
})

test('a site of Eleventy, by the program of its package', async () => {
  const folder = join(own.root, 'eleventy')
  await writeProject(folder, {
    'moka.config.ts': `export default { name: 'notes' }\n`,
    'package.json': JSON.stringify({ devDependencies: { '@11ty/eleventy': '*' } }),
    '_includes/base.njk': '<title>{{ title }}</title>{{ content | safe }}',
    'index.md': '---\ntitle: Notes\nlayout: base.njk\n---\n# Latte at home\n',
    'milk/index.md': '---\ntitle: Milk\nlayout: base.njk\n---\nOat.\n',
  })
  expect(await deploy(folder)).toContain('[11ty] Wrote 2 files')
  expect((await get('/', 'notes.localhost')).body.toString()).toContain('<h1>Latte at home</h1>')
  expect((await get('/milk/', 'notes.localhost')).body.toString()).toContain('<title>Milk</title>')
})
