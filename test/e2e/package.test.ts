import { execFile, spawn } from 'node:child_process'
import { mkdir, readdir, readFile, rename, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask } from '../support/http.ts'
import { type Addresses, processesWith, ROOT, remove, temporaryFolder } from '../support/moka.ts'
import { descendants, untilGone } from '../support/processes.ts'

// The package as a user of npm gets it: packed, installed in an empty folder, run with npx. What
// it depends on is taken from this repository, so that nothing is downloaded.

const run = promisify(execFile)

describe('the package', () => {
  let folder: string
  let files: string[]
  beforeAll(async () => {
    folder = await temporaryFolder('package')
    const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
    const { stdout } = await run('npm', args, { cwd: ROOT })
    const [packed] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }]
    files = packed.files.map(file => file.path)
    await run('tar', ['-xzf', join(folder, packed.filename)], { cwd: folder })
    await install(folder)
  })
  afterAll(() => remove(folder))

  it('holds what it needs and nothing besides', async () => {
    for (const needed of [
      ...['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md'],
      ...['dist/cli/main.js', 'dist/cloud/workers/worker.js', 'dist/index.js', 'dist/index.d.ts'],
      'examples/portfolio/moka.config.ts',
      'examples/portfolio/.github/workflows/deploy.yml',
      'examples/portfolio/site/index.html',
    ]) {
      expect(files).toContain(needed)
    }
    // Everything beside the sources that is no source itself, such as the runtimes' own files.
    const sources = await readdir(join(ROOT, 'src'), { recursive: true })
    const assets = sources.filter(path => /\.(py|cjs|sh|sql)$/.test(path))
    expect(assets.length).toBeGreaterThan(3)
    for (const asset of assets) expect(files).toContain(`dist/${asset}`)

    const odd = files.filter(
      path =>
        !/^(?:dist|docs|decisions|examples\/portfolio)\/|^(?:package\.json|[A-Z]+(?:\.md)?)$|^benchmarks\/RESULTS\.md$/.test(
          path,
        ) ||
        /\.test\.|\.contract\.|\/testing\/|node_modules|__pycache__|\.pyc$|\.tsbuildinfo$/.test(
          path,
        ) ||
        /^examples\/portfolio\/(?:dist|dist\.tmp|\.moka)\//.test(path),
    )
    expect(odd).toEqual([])
  })

  it('holds what its README leads to', async () => {
    const readme = await readFile(join(ROOT, 'README.md'), 'utf8')
    const links = Array.from(readme.matchAll(/\]\(([^)#:]+)[)#]/g), ([, link]) => link ?? '')
    expect(links.length).toBeGreaterThan(5)
    const dead = links.filter(link =>
      link.endsWith('/') ? !files.some(file => file.startsWith(link)) : !files.includes(link),
    )
    expect(dead).toEqual([])
  })

  it.each([
    ['Ctrl-C', 'site', (npx: number) => process.kill(-npx, 'SIGINT')], // to the group, as terminals do
    ['a SIGTERM to npx alone', 'other', (npx: number) => process.kill(npx, 'SIGTERM')],
  ])('makes a project that runs at once, and ends at %s', async (_how, name, end) => {
    // Here, as a person would; npx finds `moka` of the folder above.
    const made = await run('npx', ['--no-install', 'moka', 'init', name], { cwd: folder })
    expect(made.stdout).toContain('npx moka dev')
    const cwd = join(folder, name)
    const dev = spawn('npx', ['--no-install', 'moka', 'dev', '--ephemeral', '--json'], {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // a group of its own, as a shell gives each command
      env: { ...process.env, MOKA_HOME: '/nonexistent/mokapot' },
    })
    let errors = ''
    dev.stderr.on('data', chunk => {
      errors += chunk
    })
    const addresses = await new Promise<Addresses>((resolve, reject) => {
      createInterface({ input: dev.stdout }).once('line', line => resolve(JSON.parse(line)))
      dev.once('exit', code => reject(new Error(`npx moka dev ended with ${code}: ${errors}`)))
    })
    expect(String((await ask(addresses.site, '/')).body)).toContain('<!doctype html>')
    for (const count of [1, 2]) {
      const visit = await ask(addresses.site, '/api/visits', { method: 'POST' })
      expect({ status: visit.status, ...JSON.parse(String(visit.body)) }).toEqual({
        status: 200,
        count,
      })
    }
    const pids = [...new Set([...(await descendants(dev.pid!)), ...(await processesWith(folder))])]
    expect(pids.length).toBeGreaterThan(3)
    end(dev.pid!)
    await untilGone(pids, 30_000)
  })

  it('has the types that a configuration needs', async () => {
    const { exports: entry } = JSON.parse(
      await readFile(join(folder, 'node_modules/mokapot/package.json'), 'utf8'),
    )
    expect(files).toContain(entry['.'].types.replace('./', ''))
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
    const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022']
    const file = join(folder, 'site/moka.config.ts')
    const checked = await run(process.execPath, [tsc, ...flags, '--types', 'node', file], {
      cwd: folder,
    }).catch(error => error)
    expect(checked.stdout).toBe('')
  })
})

/** Puts the unpacked package and what it depends on where npm would. */
async function install(folder: string): Promise<void> {
  const target = join(folder, 'node_modules')
  await mkdir(join(target, '.bin'), { recursive: true })
  for (const name of await readdir(join(ROOT, 'node_modules'))) {
    if (name.startsWith('.')) continue
    await symlink(join(ROOT, 'node_modules', name), join(target, name))
  }
  await rename(join(folder, 'package'), join(target, 'mokapot'))
  await symlink('../mokapot/dist/cli/main.js', join(target, '.bin/moka'))
}
