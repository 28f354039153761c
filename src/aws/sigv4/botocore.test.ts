import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { Fields } from '../../http/fields.ts'
import { verifySignature } from './verify.ts'

const KEY = { accessKeyId: 'AKIDHOME', secretAccessKey: 'a secret/with+signs' }

/** Signs each request the ways that botocore has, and prints what it would send. */
const SIGNER = `
import json, sys
from botocore.auth import SigV4Auth, SigV4QueryAuth, S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
job = json.load(sys.stdin)
ways = {'cloudfront': (SigV4Auth, SigV4QueryAuth), 's3': (S3SigV4Auth, S3SigV4QueryAuth)}
out = []
for item in job['requests']:
    for way, make in enumerate(ways[item['service']]):
        request = AWSRequest(method=item['method'], url=item['url'],
                             data=item['body'].encode() if way == 0 else b'',
                             headers=dict(item['headers']))
        request.context['payload_signing_enabled'] = True
        make(Credentials(job['key'], job['secret']), item['service'], 'us-east-1').add_auth(request)
        sent = request.prepare()
        out.append({'method': sent.method, 'url': sent.url,
                    'headers': {k: v.decode() if isinstance(v, bytes) else v for k, v in sent.headers.items()},
                    'body': item['body'] if way == 0 else ''})
print(json.dumps(out))
`

const hasBotocore = spawnSync('python3', ['-c', 'import botocore.auth']).status === 0

const REQUESTS = [
  ['cloudfront', 'GET', '/2020-05-31/distribution?Marker=a%20b%2F%2Bc&MaxItems=2', ''],
  ['cloudfront', 'POST', '/2020-05-31/distribution/E1/invalidation', '<a>\u00e4</a>'],
  ['cloudfront', 'GET', '/a//b/../c%2Fd/%C3%A4/', ''],
  ['cloudfront', 'GET', '/?b=2&a=1&a=0&empty=&key', ''],
  ['s3', 'PUT', '/bucket/a//b/../c%20%2B%C3%A4~', 'text'],
  ['s3', 'GET', '/bucket/?list-type=2&prefix=x%2F&delimiter=%2F', ''],
] as const

describe.skipIf(!hasBotocore)('what botocore signs (skipped where python3 has no botocore)', () => {
  test('is verified, in the field and in the query', () => {
    const job = {
      key: KEY.accessKeyId,
      secret: KEY.secretAccessKey,
      requests: REQUESTS.map(([service, method, target, body]) => {
        const url = `http://127.0.0.1:4566${target}`
        return {
          service,
          method,
          url,
          body,
          headers: { 'content-type': 'text/plain', 'x-amz-meta': ' a   b ' },
        }
      }),
    }
    const signer = spawnSync('python3', ['-c', SIGNER], { input: JSON.stringify(job) })
    expect(signer.stderr.toString()).toBe('')
    const sent = JSON.parse(signer.stdout.toString()) as {
      method: string
      url: string
      headers: Record<string, string>
      body: string
    }[]
    expect(sent).toHaveLength(REQUESTS.length * 2)
    for (const { method, url, headers, body } of sent) {
      const fields = Fields.from(Object.entries(headers)).set('host', '127.0.0.1:4566')
      const target = url.slice('http://127.0.0.1:4566'.length)
      const verification = verifySignature(
        { method, target, fields, body: Buffer.from(body) },
        {
          now: Date.now(),
          secretOf: key => (key === KEY.accessKeyId ? KEY.secretAccessKey : undefined),
        },
      )
      expect(verification, `${method} ${url}`).toMatchObject({ kind: 'verified' })
    }
  })
})
