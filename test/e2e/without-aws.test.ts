import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { execNode } from '../support/exec-node.ts'
import { moka, ROOT, remove, startDev, temporaryFolder, writeProject } from '../support/moka.ts'

const TRACE = new URL('../support/trace-modules.mjs', import.meta.url).href
/** What a deploy to AWS loads, and nothing else may. */
const OF_AWS = /node_modules\/@aws-sdk\/|node_modules\/@smithy\/|\/deploy\/targets\/aws\//

let folder: string
beforeEach(async () => {
  folder = await temporaryFolder('without-aws')
  await writeProject(folder, {
    'moka.config.ts': `export default { name: 'site', domain: 'example.org', functions: { visits: { entry: 'api/visits.ts' } }, aws: { region: 'eu-central-1' } }\n`,
    'api/visits.ts': `export const handler = async () => ({ statusCode: 200, body: 'one' })\n`,
    'dist/index.html': '<h1>Hello</h1>',
  })
})
afterEach(() => remove(folder))

describe('a home cloud', () => {
  it('loads nothing of AWS, from its start over deploys to a rollback', async () => {
    const list = join(folder, 'modules.txt')
    const env = { NODE_OPTIONS: `--import=${TRACE}`, MOKA_TEST_MODULES: list }
    const run = (...args: string[]) => moka(args, { cwd: folder, env })
    expect((await run('--version')).code).toBe(0)
    const cloud = await startDev(folder, [], env)
    try {
      await writeFile(join(folder, 'dist/index.html'), '<h1>Hello again</h1>')
      for (const args of [
        ['deploy'],
        ['releases'],
        ['invoke', 'visits'],
        ['rollback'],
        ['verify'],
      ]) {
        const { code, stderr } = await run(...args)
        expect({ args, code, stderr: code === 0 ? '' : stderr }).toEqual({
          args,
          code: 0,
          stderr: '',
        })
      }
    } finally {
      await cloud.stop()
    }
    const loaded = (await readFile(list, 'utf8')).split('\n')
    expect(loaded.some(url => url.endsWith('/dist/cli/commands/deploy.js'))).toBe(true)
    expect(loaded.some(url => url.endsWith('/dist/cloud/open-cloud.js'))).toBe(true)
    expect([...new Set(loaded)].filter(url => OF_AWS.test(url))).toEqual([])
  })

  it('is seen to load AWS’s clients where a command does speak to AWS', async () => {
    const list = join(folder, 'modules.txt')
    await moka(['doctor', '--to', 'aws'], {
      cwd: folder,
      env: {
        ...{ NODE_OPTIONS: `--import=${TRACE}`, MOKA_TEST_MODULES: list },
        ...{ AWS_EC2_METADATA_DISABLED: 'true', AWS_ENDPOINT_URL: 'http://127.0.0.1:1' },
      },
    })
    const loaded = (await readFile(list, 'utf8')).split('\n')
    expect(loaded.some(url => OF_AWS.test(url) && url.includes('/@aws-sdk/client-sts/'))).toBe(true)
  })
})

describe('an installation without AWS’s clients', () => {
  /** The program with every package beside it but these. */
  async function install(): Promise<string> {
    const installed = join(folder, 'installed')
    await mkdir(join(installed, 'node_modules'), { recursive: true })
    await cp(join(ROOT, 'dist'), join(installed, 'dist'), { recursive: true })
    await cp(join(ROOT, 'package.json'), join(installed, 'package.json'))
    for (const name of await readdir(join(ROOT, 'node_modules'))) {
      if (name === '@aws-sdk' || name.startsWith('.')) continue
      await symlink(join(ROOT, 'node_modules', name), join(installed, 'node_modules', name))
    }
    return join(installed, 'dist/cli/main.js')
  }

  it('says which command installs them, and deploys at home without', async () => {
    const main = await install()
    const run = (...args: string[]) => execNode([main, ...args], folder)
    const deployed = await run('deploy', '--to', 'aws')
    expect(deployed.code).toBe(1)
    expect(deployed.stderr).toMatch(
      /^cannot speak to AWS: package "@aws-sdk\/client-[a-z-]+" is not installed\ntry: npm install --save-dev @aws-sdk\/client-acm .*@aws-sdk\/signature-v4a$/m,
    )
    const found = await run('doctor', '--to', 'aws', '--json')
    expect(found.code).toBe(1)
    const { findings } = JSON.parse(found.stdout) as { findings: Record<string, string>[] }
    expect(findings.filter(({ level }) => level === 'problem')).toEqual([
      expect.objectContaining({
        check: 'AWS SDK',
        fix: expect.stringMatching(/^npm install --save-dev @aws-sdk\/client-acm /),
      }),
    ])
    expect((await run('deploy', '--help')).code).toBe(0)
  })

  it('takes those of the project that it is run in, as npx has it', async () => {
    const main = await install()
    await symlinkPackages('@aws-sdk')
    const { stdout } = await execNode([main, 'doctor', '--to', 'aws', '--json'], folder)
    const { findings } = JSON.parse(stdout) as { findings: Record<string, string>[] }
    expect(findings.find(({ check }) => check === 'AWS SDK')).toMatchObject({ level: 'ok' })
    const deployed = await execNode([main, 'deploy', '--to', 'aws'], folder)
    expect(deployed.code).toBe(1)
    expect(deployed.stderr).not.toContain('is not installed')
  })

  async function symlinkPackages(name: string): Promise<void> {
    await mkdir(join(folder, 'node_modules'), { recursive: true })
    await symlink(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name))
  }
})
