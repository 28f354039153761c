import { execFile } from 'node:child_process'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  behaviorXml,
  originXml,
  smallConfigXml,
} from '../../src/edge/cloudfront/testing/requests.ts'
import { type OriginServer, openOriginServer } from '../../src/edge/testing/origin-server.ts'
import { askSigned, hasAwsCli, type Keys } from '../support/aws.ts'
import {
  closeOwnCloud,
  controlOf,
  deployFrom,
  type OwnCloud,
  openOwnCloud,
} from '../support/deploying.ts'
import { ask } from '../support/http.ts'
import { moka, remove, startDev, startUp, temporaryFolder, writeProject } from '../support/moka.ts'

// The CloudFront API of a running cloud, with AWS's own command line and with requests by hand.

const HOST = 'site.example'
const API = '/2020-05-31/distribution'

let own: OwnCloud
let origin: OriginServer
let keys: Keys
/** Of the project "site". */
let id: string

beforeAll(async () => {
  origin = await openOriginServer()
  origin.onRequest((request, response) => {
    response.setHeader('cache-control', 'max-age=600')
    response.setHeader('cache-tag', 'things')
    response.end(`${request.url} ${origin.requests.length}`)
  })
  own = await openOwnCloud('cloudfront')
  await writeSite()
  await deployFrom(join(own.root, 'site'), own.client)
  keys = JSON.parse(await readFile(join(own.home, 'aws-key.json'), 'utf8')) as Keys
  const listed = await api('GET', API)
  id = one(listed.body, 'Id')
})

afterAll(async () => {
  await closeOwnCloud(own)
  await origin.close()
})

function writeSite(page = 'a page') {
  return writeProject(join(own.root, 'site'), {
    'moka.config.ts': `export default {
      name: 'site', domain: '${HOST}',
      origins: { things: { url: '${origin.url}' } },
      behaviors: [{ pattern: '/things/*', origin: 'things' }],
    }`,
    'dist/index.html': page,
  })
}

async function api(
  method: string,
  path: string,
  body = '',
  headers: Record<string, string> = {},
): Promise<{ status: number; body: string; etag: string }> {
  const answer = await askSigned(own.cloud.addresses.aws, keys, { method, path, body, headers })
  return {
    status: answer.status,
    body: answer.body.toString(),
    etag: String(answer.headers.etag ?? ''),
  }
}

/** The text of the first element of that name. */
function one(xml: string, name: string): string {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? ''
}

function batch(...paths: string[]): string {
  const items = paths.map(path => `<Path>${path}</Path>`).join('')
  return `<InvalidationBatch><Paths><Quantity>${paths.length}</Quantity><Items>${items}</Items></Paths><CallerReference>${paths.join()}</CallerReference></InvalidationBatch>`
}

async function visit(path: string, host = HOST) {
  const answer = await ask(own.cloud.addresses.site, path, { host })
  return { status: answer.status, body: answer.body.toString() }
}

/** Enough of them, each over a connection of its own, to meet every edge worker. */
async function visitAll(path: string): Promise<string[]> {
  const answers = await Promise.all(Array.from({ length: 32 }, () => visit(path)))
  return answers.map(({ body }) => body)
}

describe('an invalidation', () => {
  test.each(['/things/a', '/things/*', '#things', '/*', '/things/a?x=*'])(
    'of %s has emptied the cache of every worker when it is answered',
    async path => {
      await visitAll('/things/a')
      const fetches = origin.requests.length
      await visitAll('/things/a')
      expect(origin.requests.length).toBe(fetches) // every worker had it
      const created = await api('POST', `${API}/${id}/invalidation`, batch(path))
      expect([created.status, one(created.body, 'Status')]).toEqual([201, 'Completed'])
      for (const body of await visitAll('/things/a')) {
        expect(Number(body.split(' ')[1])).toBeGreaterThan(fetches)
      }
    },
  )

  test('asked for several times at once with one reference is one', async () => {
    const body = batch('/once')
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => api('POST', `${API}/${id}/invalidation`, body)),
    )
    expect(new Set(answers.map(answer => answer.body)).size).toBe(1)
    const listed = await api('GET', `${API}/${id}/invalidation`)
    expect(listed.body.split(one(answers[0]!.body, 'Id'))).toHaveLength(2)
    const other = body.replace('<Path>/once', '<Path>/twice')
    const refused = await api('POST', `${API}/${id}/invalidation`, other)
    expect(one(refused.body, 'Code')).toBe('InvalidationBatchAlreadyExists')
  })

  test('of something else leaves what is kept', async () => {
    await visitAll('/things/a')
    const fetches = origin.requests.length
    await api('POST', `${API}/${id}/invalidation`, batch('/things/b', '/other/*', '#other'))
    await visitAll('/things/a')
    expect(origin.requests.length).toBe(fetches)
  })
})

describe('a request', () => {
  const list = { path: API }

  test('with another secret, another key or none is refused', async () => {
    const { aws } = own.cloud.addresses
    const codeOf = async (some: Keys) => {
      const { status, body } = await askSigned(aws, some, list)
      return [status, one(body.toString(), 'Code')]
    }
    expect(await codeOf({ ...keys, secretAccessKey: 'another' })).toEqual([
      403,
      'SignatureDoesNotMatch',
    ])
    expect(await codeOf({ ...keys, accessKeyId: 'AKIAANOTHER' })).toEqual([
      403,
      'InvalidClientTokenId',
    ])
    const bare = await ask(aws, API)
    expect([bare.status, one(bare.body.toString(), 'Code')]).toEqual([
      403,
      'MissingAuthenticationToken',
    ])
  })

  test.each([-16, 16])('signed %d minutes from now is refused', async minutes => {
    const signedAt = new Date(Date.now() + minutes * 60_000)
    const { status, body } = await askSigned(own.cloud.addresses.aws, keys, { ...list, signedAt })
    expect([status, one(body.toString(), 'Code')]).toEqual([400, 'RequestExpired'])
  })

  test('for a service that is not here is told which are', async () => {
    const { body } = await askSigned(own.cloud.addresses.aws, keys, {
      path: '/',
      service: 'dynamodb',
    })
    expect(one(body.toString(), 'Code')).toBe('UnknownService')
    expect(one(body.toString(), 'Message')).toContain('there is cloudfront')
  })

  test('larger than any that AWS takes is refused', async () => {
    const { status } = await api('POST', API, 'x'.repeat(2 * 1024 * 1024))
    expect(status).toBe(413)
  })
})

test('the keys are this user’s alone', async () => {
  expect((await stat(join(own.home, 'aws-key.json'))).mode & 0o777).toBe(0o600)
})

/** Of a distribution whose default behavior is the origin above. */
function configOf(options: { isEnabled?: boolean; comment?: string }): string {
  const { hostname, port } = new URL(origin.url)
  const server = originXml('things')
    .replace('things.example', hostname)
    .replace('<HTTPPort>80<', `<HTTPPort>${port}<`)
  const fallback = behaviorXml('things')
  return smallConfigXml({ reference: 'mine', origins: [server], fallback, ...options })
}

test('a distribution is made, switched off for good, and deleted for good', async () => {
  const created = await api('POST', API, configOf({}))
  expect([created.status, one(created.body, 'Status')]).toEqual([201, 'Deployed'])
  const made = `${API}/${one(created.body, 'Id')}`
  const host = one(created.body, 'DomainName')
  expect(await visit('/mine', host)).toMatchObject({
    status: 200,
    body: expect.stringMatching(/^\/mine /),
  })

  const off = configOf({ isEnabled: false })
  const disabled = await api('PUT', `${made}/config`, off, { 'if-match': created.etag })
  expect(disabled.status).toBe(200)
  expect((await visit('/mine', host)).status).toBe(403)
  expect(await visit('/')).toEqual({ status: 200, body: 'a page' })

  await restart()
  expect((await visit('/mine', host)).status).toBe(403)
  const stale = await api('DELETE', made, '', { 'if-match': created.etag })
  expect([stale.status, one(stale.body, 'Code')]).toEqual([412, 'PreconditionFailed'])
  expect((await api('DELETE', made, '', { 'if-match': disabled.etag })).status).toBe(204)
  expect((await api('GET', made)).status).toBe(404)

  await restart()
  expect((await api('GET', made)).status).toBe(404)
  expect(await visit('/')).toEqual({ status: 200, body: 'a page' })
})

async function restart() {
  own.client.close()
  await own.cloud.stop()
  own.cloud = await startUp(own.home)
  own.client = await controlOf(own.home)
}

test('a project that is switched off stays so when it is deployed, until it is switched on', async () => {
  const config = await api('GET', `${API}/${id}/config`)
  const off = config.body.replace(
    '<Enabled>true</Enabled><ViewerC',
    '<Enabled>false</Enabled><ViewerC',
  )
  const disabled = await api('PUT', `${API}/${id}/config`, off, { 'if-match': config.etag })
  expect(disabled.status).toBe(200)
  await writeSite('another page')
  await deployFrom(join(own.root, 'site'), own.client)
  expect((await visit('/')).status).toBe(403)
  const { etag } = await api('GET', `${API}/${id}/config`)
  await api('PUT', `${API}/${id}/config`, config.body, { 'if-match': etag })
  expect(await visit('/')).toEqual({ status: 200, body: 'another page' })
  await writeSite()
  await deployFrom(join(own.root, 'site'), own.client)
})

test('an update is a release, which can be rolled back', async () => {
  const config = await api('GET', `${API}/${id}/config`)
  const changed = config.body.replace('/things/*', '/stuff/*')
  const updated = await api('PUT', `${API}/${id}/config`, changed, { 'if-match': config.etag })
  expect(updated.status).toBe(200)
  expect((await visit('/stuff/a')).body).toMatch(/^\/stuff\/a /)
  expect((await visit('/things/a')).status).toBe(404)
  expect((await own.client.releases('site'))[0]).toMatchObject({
    message: 'UpdateDistribution',
    isLive: true,
  })
  await own.client.rollback('site')
  expect((await visit('/things/a')).body).toMatch(/^\/things\/a /)
  const back = await api('GET', `${API}/${id}/config`)
  expect([back.body, back.etag]).toEqual([config.body, config.etag])
})

test('a domain that another project has is refused, and nothing is left of the attempt', async () => {
  const aliases = `<Aliases><Quantity>1</Quantity><Items><CNAME>${HOST}</CNAME></Items></Aliases>`
  const body = configOf({}).replace('<Origins>', `${aliases}<Origins>`)
  const refused = await api('POST', API, body)
  expect([refused.status, one(refused.body, 'Code')]).toEqual([409, 'CNAMEAlreadyExists'])
  expect(one((await api('GET', API)).body, 'Quantity')).not.toBe('2')
  expect((await api('GET', API)).body.match(/<DistributionSummary>/g)).toHaveLength(1)
})

describe.skipIf(!hasAwsCli())('AWS’s command line (skipped where `aws` is not on the PATH)', () => {
  let environment: Record<string, string>

  beforeAll(async () => {
    const env = await moka(['env', '--json'], {
      cwd: join(own.root, 'site'),
      env: { MOKA_HOME: own.home },
    })
    environment = JSON.parse(env.stdout) as Record<string, string>
  })

  function aws(args: string, more: Record<string, string> = {}) {
    const env = { ...process.env, ...environment, AWS_PAGER: '', AWS_MAX_ATTEMPTS: '1', ...more }
    return new Promise<{ code: number; stdout: string; stderr: string }>(resolve => {
      const options = { env, cwd: own.root, timeout: 30_000 }
      execFile('aws', ['cloudfront', ...args.split(' ')], options, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr })
      })
    })
  }

  async function awsJson(args: string) {
    const { stdout, stderr } = await aws(`${args} --output json`)
    if (stdout === '') throw new Error(stderr)
    return JSON.parse(stdout)
  }

  test('empties the cache as the classic workflow does', { timeout: 60_000 }, async () => {
    await visitAll('/things/a')
    const fetches = origin.requests.length
    const { Invalidation } = await awsJson(
      `create-invalidation --distribution-id ${id} --paths /* #x`,
    )
    expect(Invalidation.InvalidationBatch.Paths.Items).toEqual(['/*', '#x'])
    for (const body of await visitAll('/things/a')) {
      expect(Number(body.split(' ')[1])).toBeGreaterThan(fetches)
    }
    const found = `--distribution-id ${id} --id ${Invalidation.Id}`
    expect((await aws(`wait invalidation-completed ${found}`)).code).toBe(0)
    expect((await awsJson(`get-invalidation ${found}`)).Invalidation).toEqual(Invalidation)
    const listed = await awsJson(`list-invalidations --distribution-id ${id} --page-size 1`)
    expect(listed.InvalidationList.Items[0].Id).toBe(Invalidation.Id)
    expect(listed.InvalidationList.Items.length).toBeGreaterThan(1) // it asked for page after page
  })

  test('makes, reads, changes and deletes a distribution', { timeout: 60_000 }, async () => {
    const { hostname, port } = new URL(origin.url)
    const config = {
      CallerReference: 'cli',
      Comment: 'a comment',
      Enabled: true,
      Origins: {
        Quantity: 1,
        Items: [
          {
            Id: 'things',
            DomainName: hostname,
            CustomOriginConfig: {
              HTTPPort: Number(port),
              HTTPSPort: 443,
              OriginProtocolPolicy: 'http-only',
            },
          },
        ],
      },
      DefaultCacheBehavior: {
        TargetOriginId: 'things',
        ViewerProtocolPolicy: 'allow-all',
        ForwardedValues: { QueryString: false, Cookies: { Forward: 'none' } },
        MinTTL: 0,
      },
    }
    const write = (name: string, value: unknown) =>
      writeFile(join(own.root, name), JSON.stringify(value))
    await write('new.json', config)
    const made = await awsJson('create-distribution --distribution-config file://new.json')
    const { Id, DomainName } = made.Distribution
    expect((await visit('/by-cli?x=1', DomainName)).body).toMatch(/^\/by-cli \d+$/)
    expect((await aws(`wait distribution-deployed --id ${Id}`)).code).toBe(0)

    const got = await awsJson(`get-distribution-config --id ${Id}`)
    expect(got.DistributionConfig).toMatchObject({ Comment: 'a comment', CallerReference: 'cli' })
    await write('off.json', { ...got.DistributionConfig, Enabled: false })
    const off = await awsJson(
      `update-distribution --id ${Id} --if-match ${got.ETag} --distribution-config file://off.json`,
    )
    expect((await visit('/by-cli', DomainName)).status).toBe(403)
    const late = await aws(`delete-distribution --id ${Id} --if-match ${got.ETag}`)
    expect(late.stderr).toContain('PreconditionFailed')
    expect((await aws(`delete-distribution --id ${Id} --if-match ${off.ETag}`)).stderr).toBe('')
    const listed = await awsJson('list-distributions')
    expect(listed.DistributionList.Items.map((item: { Id: string }) => item.Id)).toEqual([id])
  })

  test('is told what is wrong in AWS’s words', { timeout: 60_000 }, async () => {
    const wrong = await aws('list-distributions', { AWS_SECRET_ACCESS_KEY: 'another' })
    expect(wrong.stderr).toContain('SignatureDoesNotMatch')
    expect((await aws('get-distribution --id E1')).stderr).toContain('NoSuchDistribution')
    const refused = await aws('list-functions')
    expect(refused.stderr).toContain('UnsupportedOperation')
  })
})

test('moka dev has the API for its own project, and takes no other', async () => {
  const folder = await temporaryFolder('cloudfront-dev')
  await writeProject(folder, { 'dist/index.html': 'here' })
  const cloud = await startDev(folder)
  try {
    const env = JSON.parse((await moka(['env', '--json'], { cwd: folder })).stdout)
    expect(env).toMatchObject({ AWS_ENDPOINT_URL: cloud.addresses.aws, AWS_REGION: 'us-east-1' })
    const devKeys = {
      accessKeyId: env.AWS_ACCESS_KEY_ID,
      secretAccessKey: env.AWS_SECRET_ACCESS_KEY,
    }
    const listed = await askSigned(cloud.addresses.aws, devKeys, { path: API })
    expect(one(listed.body.toString(), 'DomainName')).toBe('site.localhost')
    const refused = await askSigned(cloud.addresses.aws, devKeys, {
      method: 'POST',
      path: API,
      body: configOf({}),
    })
    expect(one(refused.body.toString(), 'Code')).toBe('TooManyDistributions')
  } finally {
    await cloud.stop()
    await remove(folder)
  }
})
