import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { closeOwnCloud, deployFrom, type OwnCloud, openOwnCloud } from '../support/deploying.ts'
import { ask } from '../support/http.ts'
import { moka, writeProject } from '../support/moka.ts'

// What a site serves is compared with what was released; in between stands somebody who changes it.

let own: OwnCloud
let folder: string
let between: Server
/** Changes what passes: undefined leaves it as it is. */
let change: (path: string, body: Buffer) => Buffer | undefined
/** Answers with another status. */
let refuse: (path: string) => number | undefined = () => undefined

beforeAll(async () => {
  own = await openOwnCloud('verify')
  folder = join(own.root, 'site')
  await writeProject(folder, {
    'moka.config.ts': `export default {
  name: 'site', domain: 'site.example',
  functions: { here: { entry: 'here.mjs', routes: ['/api/*'], rateLimit: '60/minute' } },
}
`,
    'here.mjs': 'export const handler = async () => "here"\n',
    'dist/index.html': '<h1>home</h1>',
    'dist/about.html': 'about',
    'dist/ü & b/index.html': 'odd',
    'dist/empty.txt': '',
    'dist/404.html': 'not here',
    'dist/api/shadowed.txt': 'never seen',
    'dist/staff/plan.html': 'for the staff',
    'dist/_headers': '/staff/*\n  Basic-Auth: ann:secret\n',
  })
  await deployFrom(folder, own.client)
  between = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming
    const asked = request(own.cloud.addresses.site, {
      method,
      path: url,
      headers: { ...headers, host: 'site.example' },
    })
    asked.on('response', async response => {
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk as Buffer)
      const body = Buffer.concat(chunks)
      outgoing.statusCode = refuse(url ?? '') ?? response.statusCode ?? 500
      outgoing.end(change(url ?? '', body) ?? body)
    })
    asked.end()
  })
  await new Promise<void>(resolve => between.listen(0, '127.0.0.1', resolve))
})

afterAll(async () => {
  between.close()
  await closeOwnCloud(own)
})

async function verify(...args: string[]) {
  const { code, stdout, stderr } = await moka(['verify', ...args], {
    cwd: folder,
    env: { MOKA_HOME: own.home },
  })
  return { code, stdout, stderr }
}

const passing = () => `http://127.0.0.1:${(between.address() as AddressInfo).port}`

test('says that everything is as released, but what is not public', async () => {
  change = () => undefined
  const byName = own.cloud.addresses.site.replace('127.0.0.1', 'site.localhost')
  for (const args of [[], [passing()], [byName]]) {
    const { code, stdout, stderr } = await verify(...args)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toBe('7 files of r-1: 5 as released, 2 not public; signed by this cloud\n')
  }
})

test('names each file that is another', async () => {
  change = (path, body) =>
    path === '/about'
      ? Buffer.from('abuot')
      : path === '/'
        ? Buffer.concat([body, body])
        : undefined
  const { code, stdout } = await verify(passing())
  expect(code).toBe(1)
  expect(stdout).toMatch(/^~ \/about\.html {2}its bytes hash to \w{64}, and \w{64} was released$/m)
  expect(stdout).toMatch(/^~ \/index\.html {2}/m)
  expect(stdout).toContain('3 as released, 2 differ, 2 not public')
})

test('takes no refusal and no redirect for one of the release that is none', async () => {
  change = () => undefined
  refuse = path => ({ '/about': 302, '/': 403, '/empty.txt': 401 })[path]
  const { code, stdout } = await verify(passing()).finally(() => {
    refuse = () => undefined
  })
  expect(code).toBe(1)
  for (const [file, status] of [
    ['about\\.html', 302],
    ['index\\.html', 403],
    ['empty\\.txt', 401],
  ]) {
    expect(stdout).toMatch(new RegExp(`^~ /${file}  its address answers with ${status}$`, 'm'))
  }
  expect(stdout).toContain('2 as released, 3 differ, 2 not public')
})

test('trusts no statement that somebody changed', async () => {
  change = (path, body) =>
    path.endsWith('release.json')
      ? Buffer.from(`${body}`.replace('"files": 7', '"files": 8'))
      : undefined
  const { code, stderr } = await verify(passing())
  expect(code).toBe(1)
  expect(stderr).toContain('is not signed by this cloud')
})

test('says which release is served where it is another than the live one', async () => {
  const { body } = await ask(own.cloud.addresses.site, '/.well-known/mokapot/release.json', {
    host: 'site.example',
  })
  await writeProject(folder, {
    'moka.config.ts': `export default { name: 'site', domain: 'site.example' }\n`,
  })
  await deployFrom(folder, own.client)
  change = path => (path.endsWith('release.json') ? body : undefined)
  const { stderr } = await verify(passing())
  expect(stderr).toContain('serves release "r-1", and "r-2" is live')
})

test('says so where there is no such site', async () => {
  change = path => (path.endsWith('release.json') ? Buffer.from('<html>') : undefined)
  expect((await verify(passing())).stderr).toContain('no statement of a release')
  expect((await verify('site.example')).stderr).toContain('it is no address of a site')
  expect((await verify('http://127.0.0.1:1')).stderr).toContain(
    'cannot reach "http://127.0.0.1:1/"',
  )
})
