import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MAIN } from '../support/moka.ts'

const run = promisify(execFile)

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'moka-export-'))
  await writeFile(join(folder, 'hello.mjs'), 'export const handler = async () => ({})\n')
  await configure("domain: 'example.org', aws: { region: 'eu-central-1' }")
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const configure = (fields: string) =>
  writeFile(
    join(folder, 'moka.config.ts'),
    `export default { name: 'small', functions: { hello: { entry: 'hello.mjs' } }, ${fields} }\n`,
  )

async function moka(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  // No credentials, no way to AWS: it must need none.
  const env = { PATH: process.env.PATH, AWS_ENDPOINT_URL: 'http://127.0.0.1:1' }
  try {
    const done = await run(process.execPath, [MAIN, ...args], { cwd: folder, env })
    return { code: 0, ...done }
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string }
  }
}

describe('moka export cloudformation', () => {
  it('prints one template, and beside it how to go on by hand', async () => {
    const { stdout, stderr } = await moka('export', 'cloudformation')
    const template = JSON.parse(stdout)
    expect(Object.keys(template)).toEqual([
      'AWSTemplateFormatVersion',
      'Description',
      'Metadata',
      'Parameters',
      'Resources',
      'Outputs',
    ])
    expect(template.Resources.HelloFunction.Type).toBe('AWS::Lambda::Function')
    expect(stderr).toContain(
      'aws cloudformation deploy --region eu-central-1 --stack-name mokapot-small --template-file site.json',
    )
    const domain = await moka('export', 'cloudformation', '--stack', 'domain')
    expect(JSON.parse(domain.stdout).Resources).toHaveProperty('HostedZone')
  })

  it('writes all of them, the same each time', async () => {
    const out = join(folder, 'made', 'templates')
    const { stdout } = await moka('export', 'cloudformation', '--out', out)
    expect(stdout).toBe(`${join(out, 'domain.json')}, ${join(out, 'site.json')}: written\n`)
    const printed = await moka('export', 'cloudformation')
    expect(await readFile(join(out, 'site.json'), 'utf8')).toBe(printed.stdout)
  })

  it('says what is missing, or wrong', async () => {
    await configure('')
    const none = await moka('export', 'cloudformation', '--stack', 'domain')
    expect(none.code).toBe(1)
    expect(none.stderr).toContain('the project has no domain')
    await configure("aws: { regoin: 'eu-central-1' }")
    const misspelled = await moka('export', 'cloudformation')
    expect(misspelled.stderr).toContain('there is no field "aws.regoin"')
    expect(misspelled.stderr).toContain('"region"?')
  })
})
