import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import type { AwsRequest, AwsResponse } from '../../aws/aws-request.ts'
import { AwsError } from '../../aws/errors.ts'
import { parseXml, type XmlElement } from '../../aws/xml/element.ts'
import {
  type Distribution,
  type DistributionStore,
  distributionId,
  etagOf,
  type InvalidationRecord,
} from './distribution.ts'
import { createCloudFrontDoor } from './door.ts'
import { forgottenBy } from './invalidations.ts'
import { behaviorXml, originXml, request, smallConfigXml } from './testing/requests.ts'

let nowMs: number
let distributions: Map<string, Distribution>
let records: InvalidationRecord[]

beforeEach(() => {
  nowMs = Date.parse('2026-01-02T03:04:05.678Z')
  distributions = new Map()
  records = []
  put('site')
})

function put(project: string, more: Partial<Distribution> = {}): Distribution {
  const distribution: Distribution = {
    project,
    callerReference: project,
    modifiedMs: nowMs,
    isEnabled: true,
    comment: '',
    priceClass: 'PriceClass_All',
    isIpv6Enabled: false,
    origins: {},
    behaviors: [],
    signingKeys: [],
    hasFile: () => false,
    etag: '',
    ...more,
  }
  const whole = { ...distribution, etag: etagOf(JSON.stringify({ ...distribution, etag: '' })) }
  distributions.set(project, whole)
  return whole
}

const store: DistributionStore = {
  list: () => [...distributions.values()],
  create: async (project, callerReference, settings) =>
    put(project, { ...settings, callerReference }),
  async update(project, etag, settings) {
    const before = distributions.get(project)!
    if (before.etag !== etag) return { kind: 'changed' }
    return { kind: 'updated', distribution: put(project, { ...before, ...settings }) }
  },
  async remove(project) {
    distributions.delete(project)
    return { kind: 'removed' }
  },
  invalidations: async () => records,
  async invalidate(_project, record) {
    const before = records.find(({ callerReference }) => callerReference === record.callerReference)
    if (before === undefined) records = [record, ...records]
    return before ?? record
  },
}

const door = createCloudFrontDoor({ store, now: () => nowMs })

async function refusal(asked: AwsRequest): Promise<string> {
  const error = await door.handle(asked).then(
    response => response,
    thrown => thrown as AwsError,
  )
  return error instanceof Error
    ? `${(error as AwsError).status} ${(error as AwsError).code}`
    : 'none'
}

/** Texts of a document by path: `Paths.Items.Path`. */
function texts({ body }: AwsResponse): Record<string, string> {
  const found: Record<string, string> = {}
  const visit = (element: XmlElement, path: string) => {
    if (element.children.length === 0) found[path] = element.text
    for (const child of element.children)
      visit(child, path === '' ? child.name : `${path}.${child.name}`)
  }
  visit(parseXml(Buffer.from(body)), '')
  return found
}

const SITE = `distribution/${distributionId('site')}`

function batch(reference: string, ...paths: string[]): string {
  const items = paths.map(path => `<Path>${path}</Path>`).join('')
  return `<InvalidationBatch xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Paths><Quantity>${paths.length}</Quantity><Items>${items}</Items></Paths><CallerReference>${reference}</CallerReference></InvalidationBatch>`
}

describe('invalidations', () => {
  const create = (body: string) => door.handle(request('POST', `${SITE}/invalidation`, body))

  test('are done when they are answered, and found again', async () => {
    const created = await create(batch('one', '/a', '/b/*', '#tag'))
    expect(created.status).toBe(201)
    expect(texts(created)).toMatchObject({
      Status: 'Completed',
      CreateTime: '2026-01-02T03:04:05.678Z',
      'InvalidationBatch.Paths.Quantity': '3',
      'InvalidationBatch.CallerReference': 'one',
    })
    expect(records.map(({ paths }) => paths)).toEqual([['/a', '/b/*', '#tag']])
    const got = await door.handle(request('GET', `${SITE}/invalidation/${texts(created).Id}`))
    expect(got.status).toBe(200)
    expect(got.body).toBe(created.body)
  })

  test('asked for twice with one reference are done once, and refused for other paths', async () => {
    const first = await create(batch('one', '/a'))
    nowMs += 1000
    expect((await create(batch('one', '/a'))).body).toBe(first.body)
    expect(records).toHaveLength(1)
    expect(await refusal(request('POST', `${SITE}/invalidation`, batch('one', '/b')))).toBe(
      '409 InvalidationBatchAlreadyExists',
    )
  })

  test('are listed newest first, in pages', async () => {
    for (const name of ['one', 'two', 'three']) await create(batch(name, '/a'))
    const list = async (query: string) =>
      texts(await door.handle(request('GET', `${SITE}/invalidation?${query}`)))
    const ids = records.map(({ id }) => id)
    const first = await list('MaxItems=2')
    expect(first).toMatchObject({ IsTruncated: 'true', NextMarker: ids[1], Quantity: '2' })
    const second = await list(`MaxItems=2&Marker=${ids[1]}`)
    expect(second).toMatchObject({
      IsTruncated: 'false',
      Quantity: '1',
      'Items.InvalidationSummary.Id': ids[2],
    })
    expect(second).not.toHaveProperty('NextMarker')
    for (const query of ['MaxItems=0', 'MaxItems=many', 'Marker=I1']) {
      expect(await refusal(request('GET', `${SITE}/invalidation?${query}`))).toBe(
        '400 InvalidArgument',
      )
    }
  })

  test.each([
    [batch('r'), '400 InvalidArgument'],
    [batch('', '/a'), '400 InvalidArgument'],
    [batch('r', 'a'), '400 InvalidArgument'],
    [batch('r', '/a*b'), '400 InvalidArgument'],
    [batch('r', '/**'), '400 InvalidArgument'],
    [batch('r', '/a b'), '400 InvalidArgument'],
    [batch('r', '#'), '400 InvalidArgument'],
    [batch('r', '#a,b'), '400 InvalidArgument'],
    [batch('r', '#a*'), '400 InvalidArgument'],
    [batch('r', ...Array.from({ length: 3001 }, (_, i) => `/${i}`)), '413 BatchTooLarge'],
    [batch('r', '/a').replace('<Quantity>1', '<Quantity>2'), '400 InconsistentQuantities'],
    ['', '400 MissingBody'],
    ['<InvalidationBatch>', '400 MalformedXML'],
    ['<Other/>', '400 MalformedXML'],
  ])('%# is refused', async (body, expected) => {
    expect(await refusal(request('POST', `${SITE}/invalidation`, body))).toBe(expected)
    expect(records).toEqual([])
  })

  test('name decoded paths, whatever their query; prefixes and tags', () => {
    expect(forgottenBy(['/a%20b', '/c/%C3%A4*', '/d?x=1', '/d?y=*', '/*', '#t', '/%zz'])).toEqual({
      patterns: ['/a b', '/c/ä*', '/d', '/*', '/%zz'],
      tags: ['t'],
    })
  })
})

describe('distributions', () => {
  const create = (options: Parameters<typeof smallConfigXml>[0]) =>
    door.handle(request('POST', 'distribution', smallConfigXml(options)))

  test('are made once for a reference', async () => {
    const first = await create({ reference: 'mine' })
    expect(first.status).toBe(201)
    const { Id = '', DomainName } = texts(first)
    expect(first.fields.get('location')).toBe(
      `https://cloudfront.amazonaws.com/2020-05-31/distribution/${Id}`,
    )
    expect(Id).toMatch(/^E[A-Z0-9]{13}$/)
    expect(DomainName).toMatch(/^d[a-z0-9]{13}\.localhost$/)
    expect((await create({ reference: 'mine' })).body).toBe(first.body)
    expect(distributions.size).toBe(2)
    expect(
      await refusal(
        request('POST', 'distribution', smallConfigXml({ reference: 'mine', comment: 'other' })),
      ),
    ).toBe('409 DistributionAlreadyExists')
    const got = await door.handle(request('GET', `distribution/${Id}`))
    expect([got.status, got.body, got.fields.get('etag')]).toEqual([
      200,
      first.body,
      first.fields.get('etag'),
    ])
  })

  test('change for who knows how they are', async () => {
    const made = await create({ reference: 'mine' })
    const path = `distribution/${texts(made).Id}/config`
    const changed = smallConfigXml({ reference: 'mine', comment: 'changed' })
    const put = (ifMatch: string | undefined, body = changed) =>
      request('PUT', path, body, ifMatch === undefined ? {} : { 'if-match': ifMatch })
    const etag = made.fields.get('etag')!
    expect(await refusal(put(undefined))).toBe('400 InvalidIfMatchVersion')
    expect(await refusal(put('E1'))).toBe('412 PreconditionFailed')
    expect(await refusal(put(etag, smallConfigXml({ reference: 'other' })))).toBe(
      '400 IllegalUpdate',
    )
    const updated = await door.handle(put(etag))
    expect(updated.status).toBe(200)
    expect(texts(updated)['DistributionConfig.Comment']).toBe('changed')
    expect(updated.fields.get('etag')).not.toBe(etag)
    expect(await refusal(put(etag))).toBe('412 PreconditionFailed')
    const config = await door.handle(request('GET', path))
    expect(texts(config).Comment).toBe('changed')
    expect(config.fields.get('etag')).toBe(updated.fields.get('etag'))
  })

  test('are deleted when they are disabled', async () => {
    const made = await create({ reference: 'mine' })
    const path = `distribution/${texts(made).Id}`
    const remove = (ifMatch: string) => request('DELETE', path, '', { 'if-match': ifMatch })
    expect(await refusal(remove(made.fields.get('etag')!))).toBe('409 DistributionNotDisabled')
    const disabled = await door.handle(
      request('PUT', `${path}/config`, smallConfigXml({ reference: 'mine', isEnabled: false }), {
        'if-match': made.fields.get('etag')!,
      }),
    )
    expect(await refusal(remove('E1'))).toBe('412 PreconditionFailed')
    const removed = await door.handle(remove(disabled.fields.get('etag')!))
    expect([removed.status, removed.body]).toEqual([204, ''])
    expect(await refusal(request('GET', path))).toBe('404 NoSuchDistribution')
  })

  test('are listed by id, in pages', async () => {
    for (const name of ['a', 'b', 'c']) put(name)
    const seen: string[] = []
    for (let marker: string | undefined = ''; marker !== undefined; ) {
      const listed: Record<string, string> = texts(
        await door.handle(request('GET', `distribution?MaxItems=1&Marker=${marker}`)),
      )
      seen.push(listed['Items.DistributionSummary.Id'] ?? '')
      marker = listed.NextMarker
    }
    expect(seen).toEqual([...distributions.keys()].map(distributionId).sort())
  })
})

test.each([
  ['GET', 'cache-policy'],
  ['POST', 'distribution?WithTags'],
  ['GET', `${SITE}/other`],
  ['PUT', SITE],
  ['POST', '../2014-11-06/distribution'],
])('%s %s is refused by name', async (method, path) => {
  expect(await refusal(request(method, path))).toBe('400 UnsupportedOperation')
})

test.each(['', '/config', '/invalidation'])(
  'nothing%s of a distribution that is not there',
  async part => {
    expect(await refusal(request('GET', `distribution/E1${part}`))).toBe('404 NoSuchDistribution')
  },
)

const rich = smallConfigXml({
  origins: [originXml('o'), originXml('p')],
  fallback: behaviorXml('o', '<Compress>true</Compress>'),
  more: `<CacheBehaviors><Quantity>1</Quantity><Items><CacheBehavior><PathPattern>/a</PathPattern>${behaviorXml('p', '<MinTTL>1</MinTTL>', '<ForwardedValues><QueryString>true</QueryString><Cookies><Forward>whitelist</Forward><WhitelistedNames><Quantity>1</Quantity><Items><Name>c</Name></Items></WhitelistedNames></Cookies></ForwardedValues>')}</CacheBehavior></Items></CacheBehaviors><OriginGroups><Quantity>1</Quantity><Items><OriginGroup><Id>g</Id><FailoverCriteria><StatusCodes><Quantity>1</Quantity><Items><StatusCode>500</StatusCode></Items></StatusCodes></FailoverCriteria><Members><Quantity>2</Quantity><Items><OriginGroupMember><OriginId>o</OriginId></OriginGroupMember><OriginGroupMember><OriginId>p</OriginId></OriginGroupMember></Items></Members></OriginGroup></Items></OriginGroups><CustomErrorResponses><Quantity>1</Quantity><Items><CustomErrorResponse><ErrorCode>404</ErrorCode></CustomErrorResponse></Items></CustomErrorResponses>`,
})

test('whatever a configuration says, it is taken or refused in AWS’s words', async () => {
  const parts = rich.split(/(<[^>]+>)/)
  const strange = fc.oneof(
    fc.constantFrom(
      '',
      '-1',
      '1e9',
      '99999999999999',
      'site',
      '__proto__',
      'constructor',
      '*',
      'true',
    ),
    fc.string({ unit: 'binary', maxLength: 12 }).map(text => text.replace(/[<&]/g, '')),
    fc.constantFrom('<X/>', '<Quantity>3</Quantity>', '<Items/>', '<Id>x</Id>'),
  )
  const changes = fc.array(fc.tuple(fc.nat({ max: parts.length - 1 }), strange), {
    minLength: 1,
    maxLength: 3,
  })
  await fc.assert(
    fc.asyncProperty(changes, async list => {
      const changed = [...parts]
      for (const [index, text] of list) changed[index] = text
      distributions.clear()
      const outcome = await door.handle(request('POST', 'distribution', changed.join(''))).then(
        ({ status }) => status,
        (error: unknown) => (error instanceof AwsError ? error.status : error),
      )
      expect([201, 400, 404]).toContain(outcome)
    }),
    { numRuns: 150 },
  )
})

test('the configuration that the one above starts from is taken', async () => {
  expect((await door.handle(request('POST', 'distribution', rich))).status).toBe(201)
})
