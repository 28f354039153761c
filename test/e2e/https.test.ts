import { execFile } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { connect } from 'node:http2'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openLocalCa } from '../../src/tls/local-ca.ts'
import {
  moka,
  remove,
  spawnMoka,
  startDev,
  startUp,
  type TestCloud,
  temporaryFolder,
  writeProject,
} from '../support/moka.ts'

const run = promisify(execFile)
let folder: string
const clouds: TestCloud[] = []

beforeAll(async () => {
  folder = await temporaryFolder('https')
  await writeProject(join(folder, 'site'), { 'dist/index.html': 'hello' })
})
afterEach(async () => {
  await Promise.all(clouds.splice(0).map(cloud => cloud.stop()))
})
afterAll(() => remove(folder))

const project = () => join(folder, 'site')
const portOf = (address: string | undefined) => Number(new URL(address!).port)

describe('moka dev', () => {
  it('serves HTTPS and HTTP/2 with a certificate of its own authority', async () => {
    const cloud = await startDev(project())
    clouds.push(cloud)
    const ca = join(project(), '.moka/tls/ca.pem')
    const port = portOf(cloud.addresses.https)
    for (const host of ['site.example', 'www.site.example', 'site.localhost', 'localhost']) {
      const { stdout } = await run('curl', [
        '--silent',
        '--cacert',
        ca,
        '--resolve',
        `${host}:${port}:127.0.0.1`,
        '--write-out',
        ' %{http_version} %{http_code}',
        `https://${host}:${port}/`,
      ])
      expect(stdout).toBe('hello 2 200')
    }
    const session = connect(`https://localhost:${port}`, { ca: await readFile(ca) })
    const stream = session.request({ ':path': '/nowhere' })
    const status = await new Promise(resolve => {
      stream.once('response', fields => resolve(fields[':status']))
    })
    session.destroy()
    expect(status).toBe(404)
  })

  it('names the option of a taken HTTPS port', async () => {
    const taken = createServer()
    await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as { port: number }
    const zeros = ['--site-port', '0', '--dns-port', '0', '--control-port', '0']
    const more = ['--database-port', '0', '--aws-port', '0', '--https-port', String(port)]
    const failed = await moka(['dev', ...zeros, ...more], { cwd: project() })
    taken.close()
    expect(failed).toMatchObject({ code: 1 })
    expect(failed.stderr).toContain(`port ${port} is taken\n`)
    expect(failed.stderr).toContain('--https-port')
  })
})

describe('moka up', () => {
  it('takes a certificate by path, and sends visitors from HTTP to HTTPS', async () => {
    const authority = await openLocalCa({
      directory: join(folder, 'authority'),
      clock: { now: () => Date.now() },
    })
    await authority.certificateFor(['site.example', 'www.site.example'])
    const home = join(folder, 'home')
    await mkdir(home)
    const pem = join(folder, 'authority/server.pem')
    const cloud = await startUp(home, ['--certificate', pem])
    clouds.push(cloud)
    const deployed = await moka(['deploy'], { cwd: project(), env: { MOKA_HOME: home } })
    expect(deployed.code).toBe(0)
    const https = portOf(cloud.addresses.https)
    const plain = await run('curl', [
      '--silent',
      '--output',
      '-',
      '--write-out',
      '%{http_code} %{redirect_url}',
      '--header',
      'Host: site.example',
      `${cloud.addresses.site}/a?b=c`,
    ])
    expect(plain.stdout).toBe(`301 https://site.example:${https}/a?b=c`)
    const secure = await run('curl', [
      '--silent',
      '--cacert',
      authority.certificatePath,
      '--resolve',
      `site.example:${https}:127.0.0.1`,
      `https://site.example:${https}/`,
    ])
    expect(secure.stdout).toBe('hello')
    // A host without certificate is answered as it came.
    const other = await fetch(cloud.addresses.site, { redirect: 'manual' })
    expect(other.status).toBe(200)
  })

  it('refuses a certificate that is not there, by its name', async () => {
    const gone = join(folder, 'gone.pem')
    const child = spawnMoka(['up', '--ephemeral', '--certificate', gone], {
      cwd: folder,
      env: { MOKA_HOME: join(folder, 'other') },
    })
    let errors = ''
    child.stderr.on('data', chunk => {
      errors += chunk
    })
    const code = await new Promise(resolve => child.once('exit', resolve))
    expect(code).toBe(1)
    expect(errors).toContain(gone)
    expect(errors).not.toMatch(/\n\s+at /)
  })
})
