import { createHash, createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { Fields } from '../http/fields.ts'
import type { Logger } from '../shared/logger.ts'
import type { AwsRequest, AwsResponse } from './aws-request.ts'
import { createAwsDoors } from './dispatch.ts'
import { AwsError } from './errors.ts'

const KEY = { accessKeyId: 'MOKAKEY', secretAccessKey: 'a secret' }
const NOW = Date.parse('2026-01-02T03:04:05Z')

/** A request to `/`, signed. */
function signed(service: string): AwsRequest {
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
  const scope = `20260102/eu-west-3/${service}/aws4_request`
  const canonical = `GET\n/\n\nhost:x\nx-amz-date:20260102T030405Z\n\nhost;x-amz-date\n${sha256('')}`
  let key: Buffer = Buffer.from(`AWS4${KEY.secretAccessKey}`)
  const hmac = (text: string) => createHmac('sha256', key).update(text).digest()
  for (const part of scope.split('/')) key = hmac(part)
  const signature = hmac(`AWS4-HMAC-SHA256\n20260102T030405Z\n${scope}\n${sha256(canonical)}`)
  const fields = Fields.from([
    ['host', 'x'],
    ['x-amz-date', '20260102T030405Z'],
    [
      'authorization',
      `AWS4-HMAC-SHA256 Credential=${KEY.accessKeyId}/${scope}, SignedHeaders=host;x-amz-date, Signature=${signature.toString('hex')}`,
    ],
  ])
  return { method: 'GET', target: '/', fields, body: Buffer.alloc(0) }
}

async function ask(
  handle: () => Promise<AwsResponse>,
  request: AwsRequest,
): Promise<AwsResponse & { logged: string[] }> {
  const logged: string[] = []
  const keep = (message: string, detail?: object) =>
    void logged.push(`${message} ${JSON.stringify(detail)}`)
  const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep }
  const things = { namespace: 'http://things/', handle }
  const services = { things, others: things }
  const doors = createAwsDoors({ services, key: KEY, now: () => NOW, logger })
  return { ...(await doors.handle(request)), logged }
}

const ok = async () => ({ status: 200, fields: new Fields(), body: 'done' })

test('a request goes to the service of its signature, whatever the region, and has an id', async () => {
  const { status, body, fields } = await ask(ok, signed('things'))
  expect([status, body]).toEqual([200, 'done'])
  expect(fields.get('x-amzn-requestid')).toMatch(/^[0-9a-f-]{36}$/)
})

test('a refusal has the service’s namespace, its code and the id', async () => {
  const { status, body, fields } = await ask(async () => {
    throw new AwsError('NoSuchThing', 404, 'There is no <thing>.')
  }, signed('things'))
  expect(status).toBe(404)
  expect(fields.get('content-type')).toBe('text/xml')
  expect(body).toBe(
    `<?xml version="1.0" encoding="UTF-8"?>\n<ErrorResponse xmlns="http://things/"><Error><Type>Sender</Type><Code>NoSuchThing</Code><Message>There is no &lt;thing&gt;.</Message></Error><RequestId>${fields.get('x-amzn-requestid')}</RequestId></ErrorResponse>`,
  )
})

test('what nobody foresaw is told to the log alone', async () => {
  const { status, body, logged } = await ask(async () => {
    throw new Error('a path of this machine')
  }, signed('things'))
  expect(status).toBe(500)
  expect(body).toContain('<Type>Receiver</Type><Code>InternalFailure</Code>')
  expect(body).not.toContain('a path of this machine')
  expect(logged.join()).toContain('a path of this machine')
})

test.each(['s3', 'constructor'])(
  'a service "%s" that is not there is refused by name',
  async name => {
    const { status, body } = await ask(ok, signed(name))
    expect(status).toBe(404)
    expect(body).toContain(`There is no service &quot;${name}&quot; here; there is others, things.`)
  },
)

test('nothing is handled that is not signed', async () => {
  const bare = signed('things')
  bare.fields.delete('authorization')
  const { status, body } = await ask(ok, bare)
  expect(status).toBe(403)
  expect(body).toContain('<Code>MissingAuthenticationToken</Code>')
})
