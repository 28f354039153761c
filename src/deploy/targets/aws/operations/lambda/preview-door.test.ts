import { execFileSync } from 'node:child_process'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { findOnPath } from '../../../../../shared/tied-process.ts'
import { type ApiEvent, handler, readCall } from './preview-door.ts'
import { signedFields } from './sign-request.ts'

const ALIAS = 'preview-menu-0123456789abcdef'

/** A request as the distribution's function leaves it, and the HTTP API puts it. */
function eventOf(path: string, route: string, more: Partial<ApiEvent> = {}): ApiEvent {
  const rawPath = `/.well-known/mokapot/functions/${ALIAS}${path}`
  return {
    ...{ routeKey: 'ANY /.well-known/mokapot/functions/{proxy+}', rawPath },
    headers: { accept: '*/*', 'x-moka-function': `mokapot-site_shop ${route}` },
    pathParameters: { proxy: decodeURIComponent(`${ALIAS}${path}`) },
    requestContext: { routeKey: 'ANY …', http: { path: rawPath } },
    ...more,
  }
}

describe('the door to functions of previews', () => {
  it.each([
    ['/api/shop', '/api/shop', 'ANY /api/shop', undefined],
    ['/api/shop', '/api/shop/*', 'ANY /api/shop', undefined],
    ['/api/shop/a/b%20c', '/api/shop/*', 'ANY /api/shop/{proxy+}', 'a/b c'],
    ['/api/shop/', '/api/shop/*', 'ANY /api/shop/{proxy+}', ''],
    ['/any/thing', '/*', '$default', undefined],
    ['/', '/*', '$default', undefined],
    ['/api/shop/a', '$default', '$default', undefined],
  ])('hands on %s of route %s as %s', (path, route, routeKey, proxy) => {
    const call = readCall(eventOf(path, route))
    expect(call).toMatchObject({ alias: ALIAS, lambda: 'mokapot-site_shop' })
    expect(call?.event).toMatchObject({
      ...{ routeKey, rawPath: path, headers: { accept: '*/*' } },
      requestContext: { routeKey, http: { path } },
    })
    expect(call?.event.headers).not.toHaveProperty('x-moka-function')
    expect(call?.event.pathParameters?.proxy).toBe(proxy)
  })

  it('knows nobody who does not come through the distribution', () => {
    expect(readCall(eventOf('/api/shop', '/api/shop', { headers: {} }))).toBeUndefined()
    expect(readCall(eventOf('/api/shop', '/api/shop', { rawPath: '/api/shop' }))).toBeUndefined()
  })

  describe('at Lambda', () => {
    let asked: { method: string; url: string; authorization: string; body: string }[]
    let told: { status: number; headers?: Record<string, string>; body: string }
    let close: () => Promise<unknown>
    beforeEach(async () => {
      asked = []
      const server = createServer(async (request, response) => {
        const { method = '', url = '', headers } = request
        const body = await textOf(request)
        asked.push({ method, url, authorization: headers.authorization ?? '', body })
        response.writeHead(told.status, told.headers).end(told.body)
      })
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
      const { port } = server.address() as AddressInfo
      vi.stubEnv('AWS_ENDPOINT_URL_LAMBDA', `http://127.0.0.1:${port}`)
      vi.stubEnv('AWS_REGION', 'eu-central-1')
      vi.stubEnv('AWS_ACCESS_KEY_ID', 'ASIADOOR')
      vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret')
      close = () => {
        server.closeAllConnections()
        return new Promise(resolve => server.close(resolve))
      }
    })
    afterEach(async () => {
      vi.unstubAllEnvs()
      await close()
    })

    it('asks the function by the alias of the preview, and says to search engines to leave it out', async () => {
      told = { status: 200, body: '{"statusCode":201,"headers":{"a":"b"},"body":"made"}' }
      expect(await handler(eventOf('/api/shop', '/api/shop'))).toEqual({
        ...{ statusCode: 201, body: 'made', headers: { a: 'b', 'x-robots-tag': 'noindex' } },
      })
      expect(asked[0]).toMatchObject({
        ...{ method: 'POST', authorization: /^AWS4-HMAC-SHA256 Credential=ASIADOOR\// },
        url: `/2015-03-31/functions/mokapot-site_shop/invocations?Qualifier=${ALIAS}`,
      })
      expect(JSON.parse(asked[0]!.body)).toMatchObject({ rawPath: '/api/shop' })
    })

    it('leaves an answer without a status to the HTTP API, and what the function says of robots', async () => {
      told = { status: 200, body: '["plain"]' }
      expect(await handler(eventOf('/api/shop', '/api/shop'))).toEqual(['plain'])
      told = { status: 200, body: '{"statusCode":200,"headers":{"X-Robots-Tag":"all"}}' }
      expect(await handler(eventOf('/api/shop', '/api/shop'))).toEqual({
        ...{ statusCode: 200, headers: { 'X-Robots-Tag': 'all' } },
      })
    })

    it.each([
      [200, { 'x-amz-function-error': 'Unhandled' }, 500],
      [403, {}, 404],
      [404, {}, 404],
      [429, {}, 429],
      [500, {}, 503],
    ])('answers %i %j of Lambda with %i', async (status, headers, statusCode) => {
      told = { status, headers: headers as Record<string, string>, body: '{}' }
      const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
      expect(await handler(eventOf('/api/shop', '/api/shop'))).toMatchObject({ statusCode })
      write.mockRestore()
    })
  })
})

/** What AWS's own library signs, at the same time. */
const BOTOCORE = `
import datetime, json, sys
import botocore.auth, botocore.awsrequest, botocore.credentials
request = json.loads(sys.argv[1])
now = datetime.datetime.fromtimestamp(request["nowMs"] / 1000, datetime.timezone.utc)
botocore.auth.get_current_datetime = lambda *_: now.replace(tzinfo=None)
keys = request["keys"]
credentials = botocore.credentials.Credentials(keys["accessKeyId"], keys["secretAccessKey"], keys.get("sessionToken"))
signed = botocore.awsrequest.AWSRequest("POST", request["url"], data=request["body"].encode())
signed.headers["X-Amz-Content-SHA256"] = request["sha256"]
botocore.auth.SigV4Auth(credentials, "lambda", request["region"]).add_auth(signed)
print(signed.headers["Authorization"])
`

function hasBotocore(): boolean {
  if (findOnPath('python3') === undefined) return false
  try {
    execFileSync('python3', ['-c', 'import botocore'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

it.skipIf(!hasBotocore()).each([undefined, 'IQoJb3JpZ2lu//token+with/signs=='])(
  'signs an invocation as botocore does (session %s)',
  sessionToken => {
    const url = new URL(
      `https://lambda.eu-central-1.amazonaws.com/2015-03-31/functions/mokapot-site_shop/invocations?Qualifier=${ALIAS}`,
    )
    const keys = {
      ...{ accessKeyId: 'ASIAEXAMPLE', secretAccessKey: 'wJalr/XUtn+FEMI=' },
      ...(sessionToken === undefined ? {} : { sessionToken }),
    }
    const common = { region: 'eu-central-1', body: '{"a":"ü"}', keys, nowMs: Date.UTC(2026, 1, 3) }
    const fields = signedFields({ service: 'lambda', method: 'POST', url, ...common })
    const sha256 = fields['x-amz-content-sha256']
    const args = ['-c', BOTOCORE, JSON.stringify({ ...common, url: url.href, sha256 })]
    const theirs = execFileSync('python3', args, { encoding: 'utf8' }).trim()
    expect(fields.authorization).toBe(theirs)
  },
)

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  return text
}
