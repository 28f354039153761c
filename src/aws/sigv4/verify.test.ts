import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { Fields } from '../../http/fields.ts'
import type { AwsRequest } from '../aws-request.ts'
import { canonicalRequest, sha256Hex } from './canonical-request.ts'
import { readClaim } from './claim.ts'
import { verifySignature } from './verify.ts'

interface Vector {
  name: string
  header: string
  headerCanonical: string
  query: string
  queryCanonical: string
}

const suite = JSON.parse(
  readFileSync(new URL('./vectors/aws-c-auth.json', import.meta.url), 'utf8'),
) as { accessKeyId: string; secretAccessKey: string; time: string; vectors: Vector[] }

const SIGNED_AT = Date.parse(suite.time)
const MINUTE = 60_000

function requestOf(message: string): AwsRequest {
  const end = message.indexOf('\n\n')
  const [first = '', ...lines] = message
    .slice(0, end)
    .replace(/\n[ \t]+/g, ' ')
    .split('\n')
  const fields = Fields.from(
    lines.map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
  )
  const [, method = '', target = ''] = /^(\S+) (.*) HTTP\/1\.1$/.exec(first) ?? []
  return { method, target, fields, body: Buffer.from(message.slice(end + 2)) }
}

function verify(request: AwsRequest, now = SIGNED_AT, secret = suite.secretAccessKey) {
  const secretOf = (key: string) => (key === suite.accessKeyId ? secret : undefined)
  return verifySignature(request, { now, secretOf })
}

function canonicalOf(request: AwsRequest): string {
  const outcome = readClaim(request)
  if (outcome.kind !== 'claim') throw new Error(outcome.kind)
  const { signedHeaders } = outcome.claim
  const payloadHash = sha256Hex(request.body)
  return canonicalRequest({ ...request, signedHeaders, payloadHash, pathStyle: 'encoded' })
}

describe.each(suite.vectors)('$name of the AWS suite', vector => {
  test('in the Authorization field', () => {
    const request = requestOf(vector.header)
    expect(canonicalOf(request)).toBe(vector.headerCanonical)
    expect(verify(request)).toMatchObject({ kind: 'verified', payload: 'signed' })
  })

  test('as a presigned URL', () => {
    const request = requestOf(vector.query)
    expect(canonicalOf(request)).toBe(vector.queryCanonical)
    expect(verify(request)).toMatchObject({ kind: 'verified', payload: 'signed' })
  })
})

const byName = (name: string) => suite.vectors.find(vector => vector.name === name)!
const vanilla = () => requestOf(byName('get-vanilla').header)
const presigned = () => requestOf(byName('get-vanilla').query)

test('the scope of a signature that is good is given', () => {
  expect(verify(vanilla())).toEqual({
    kind: 'verified',
    payload: 'signed',
    scope: {
      accessKeyId: 'AKIDEXAMPLE',
      day: '20150830',
      region: 'us-east-1',
      service: 'service',
    },
  })
})

test('a field signature holds for a quarter of an hour, either way', () => {
  expect(verify(vanilla(), SIGNED_AT + 15 * MINUTE).kind).toBe('verified')
  expect(verify(vanilla(), SIGNED_AT + 15 * MINUTE + 1).kind).toBe('expired')
  expect(verify(vanilla(), SIGNED_AT - 15 * MINUTE).kind).toBe('verified')
  expect(verify(vanilla(), SIGNED_AT - 15 * MINUTE - 1).kind).toBe('not-yet')
})

test('a presigned URL holds for as long as it says', () => {
  expect(verify(presigned(), SIGNED_AT + 60 * MINUTE).kind).toBe('verified')
  expect(verify(presigned(), SIGNED_AT + 60 * MINUTE + 1).kind).toBe('expired')
  expect(verify(presigned(), SIGNED_AT - 16 * MINUTE).kind).toBe('not-yet')
})

test('another secret, method, path, query, field or body is another signature', () => {
  const signed = requestOf(byName('post-x-www-form-urlencoded').header)
  expect(verify(signed, SIGNED_AT, 'another').kind).toBe('wrong-signature')
  expect(verify({ ...signed, method: 'PUT' }).kind).toBe('wrong-signature')
  expect(verify({ ...signed, target: '/other' }).kind).toBe('wrong-signature')
  expect(verify({ ...signed, target: '/?a=1' }).kind).toBe('wrong-signature')
  expect(verify({ ...signed, body: Buffer.from('Param1=value2') }).kind).toBe('wrong-payload')
  const fields = Fields.from(signed.fields).set('content-type', 'text/plain')
  expect(verify({ ...signed, fields }).kind).toBe('wrong-signature')
  const bare = requestOf(byName('post-vanilla-query').header)
  expect(verify({ ...bare, body: Buffer.from('x') }).kind).toBe('wrong-signature')
})

test('nobody but S3 may leave the body uncovered', () => {
  const fields = Fields.from(vanilla().fields).set('x-amz-content-sha256', 'UNSIGNED-PAYLOAD')
  const authorization = fields.get('authorization')!.replace('host;', 'host;x-amz-content-sha256;')
  fields.set('authorization', authorization)
  expect(verify({ ...vanilla(), fields }).kind).toBe('wrong-payload')
})

test.each([
  ['no signature', (fields: Fields) => fields.delete('authorization'), 'unsigned'],
  [
    'an x-amz field that is not signed',
    (fields: Fields) => fields.set('x-amz-meta', '1'),
    'malformed',
  ],
  ['no date', (fields: Fields) => fields.delete('x-amz-date'), 'malformed'],
  [
    'a date of another day',
    (fields: Fields) => fields.set('x-amz-date', '20150831T003600Z'),
    'malformed',
  ],
  ['another scheme', (fields: Fields) => fields.set('authorization', 'Basic eDp5'), 'malformed'],
  [
    'an access key of elsewhere',
    (fields: Fields) =>
      fields.set('authorization', fields.get('authorization')!.replace('AKIDEXAMPLE', 'AKIA')),
    'unknown-key',
  ],
  [
    'signed headers without host',
    (fields: Fields) =>
      fields.set('authorization', fields.get('authorization')!.replace('host;', '')),
    'malformed',
  ],
  [
    'half a signature',
    (fields: Fields) => fields.set('authorization', fields.get('authorization')!.slice(0, -1)),
    'malformed',
  ],
])('%s is %#', (_what, change, kind) => {
  const fields = Fields.from(vanilla().fields)
  change(fields)
  expect(verify({ ...vanilla(), fields }).kind).toBe(kind)
})

test('session tokens are of other clouds', () => {
  const { fields } = vanilla()
  fields.set('x-amz-security-token', 'x')
  const outcome = verify({ ...vanilla(), fields })
  expect(outcome).toMatchObject({ kind: 'unknown-key', reason: 'there are no session tokens' })
})

test('a presigned URL that says a thing twice is refused', () => {
  const request = presigned()
  const target = `${request.target}&X-Amz-Expires=600000`
  expect(verify({ ...request, target }).kind).toBe('malformed')
})
