import { describe, expect, it } from 'vitest'
import { createHttpEvent, type DoorRequest } from './payload-request.ts'

const NOW = Date.UTC(2020, 2, 12, 19, 3, 58)

function request(changes: Partial<DoorRequest> = {}): DoorRequest {
  return {
    method: 'POST',
    target: '/my/path?parameter1=value1&parameter1=value2&parameter2=value',
    httpVersion: '1.1',
    rawHeaders: ['Host', 'shop.example.com', 'Header1', 'value1', 'header2', 'a', 'Header2', 'b'],
    body: new Uint8Array(),
    client: '192.0.2.1',
    requestId: 'id-1',
    route: undefined,
    ...changes,
  }
}

function bodyOf(type: string | undefined, bytes: Uint8Array | string, more: string[] = []) {
  const rawHeaders = type === undefined ? more : ['Content-Type', type, ...more]
  const { body, isBase64Encoded } = createHttpEvent(
    request({ rawHeaders, body: Buffer.from(bytes) }),
    NOW,
  )
  return { body, isBase64Encoded }
}

describe('createHttpEvent', () => {
  it('is the event of API Gateway HTTP APIs, version 2.0', () => {
    const cookies = ['Cookie', 'cookie1=a; cookie2=b', 'User-Agent', 'agent']
    const rawHeaders = [...request().rawHeaders, ...cookies]
    expect(JSON.parse(JSON.stringify(createHttpEvent(request({ rawHeaders }), NOW)))).toEqual({
      version: '2.0',
      routeKey: '$default',
      rawPath: '/my/path',
      rawQueryString: 'parameter1=value1&parameter1=value2&parameter2=value',
      cookies: ['cookie1=a', 'cookie2=b'],
      headers: {
        host: 'shop.example.com',
        header1: 'value1',
        header2: 'a,b',
        'user-agent': 'agent',
      },
      queryStringParameters: { parameter1: 'value1,value2', parameter2: 'value' },
      requestContext: {
        accountId: 'anonymous',
        apiId: 'mokapot',
        domainName: 'shop.example.com',
        domainPrefix: 'shop',
        http: {
          method: 'POST',
          path: '/my/path',
          protocol: 'HTTP/1.1',
          sourceIp: '192.0.2.1',
          userAgent: 'agent',
        },
        requestId: 'id-1',
        routeKey: '$default',
        stage: '$default',
        time: '12/Mar/2020:19:03:58 +0000',
        timeEpoch: NOW,
      },
      isBase64Encoded: false,
    })
  })

  it('leaves out query, cookies and body where there are none', () => {
    const event = createHttpEvent(request({ target: '/' }), NOW)
    expect(event).not.toHaveProperty('queryStringParameters')
    expect(event).not.toHaveProperty('cookies')
    expect(event).not.toHaveProperty('body')
    expect(event.rawQueryString).toBe('')
  })

  it.each([
    [undefined, '/x', '$default', undefined],
    ['/*', '/x', '$default', undefined],
    ['/api/visits', '/api/visits', 'ANY /api/visits', undefined],
    ['/api/*', '/api/a/b%20c', 'ANY /api/{proxy+}', { proxy: 'a/b c' }],
    ['/users/:id/posts', '/users/7%2F8/posts', 'ANY /users/{id}/posts', { id: '7/8' }],
    ['/api/*', '/api/%zz', 'ANY /api/{proxy+}', { proxy: '%zz' }],
  ])('makes of route %s and path %s the key %s', (route, target, routeKey, pathParameters) => {
    const event = createHttpEvent(request({ route, target }), NOW)
    expect(event.routeKey).toBe(routeKey)
    expect(event.requestContext.routeKey).toBe(routeKey)
    expect(event.pathParameters === undefined ? undefined : { ...event.pathParameters }).toEqual(
      pathParameters,
    )
  })

  it('decodes query parameters and keeps the raw query', () => {
    const event = createHttpEvent(request({ target: '/?q=caf%C3%A9+au%20lait&empty=&flag' }), NOW)
    expect({ ...event.queryStringParameters }).toEqual({ q: 'café au lait', empty: '', flag: '' })
    expect(event.rawQueryString).toBe('q=caf%C3%A9+au%20lait&empty=&flag')
  })

  it('passes on nothing that the edge says to the door alone, nor hop-by-hop fields', () => {
    const rawHeaders = ['X-Moka-Client', '10.0.0.1', 'Connection', 'keep-alive', 'X-Other', '1']
    expect({ ...createHttpEvent(request({ rawHeaders }), NOW).headers }).toEqual({ 'x-other': '1' })
  })

  it('takes header and parameter names that are special in JavaScript as data', () => {
    const event = createHttpEvent(
      request({ rawHeaders: ['__proto__', 'a', 'constructor', 'b'], target: '/?__proto__=c' }),
      NOW,
    )
    expect(JSON.parse(JSON.stringify(event.headers)).constructor).toBe('b')
    expect(JSON.stringify(event.queryStringParameters)).toBe('{"__proto__":"c"}')
  })

  it.each([
    'text/plain',
    'application/json',
    'Application/JSON; charset=utf-8',
    'application/vnd.api+json',
    'image/svg+xml',
    'application/xml',
    'application/javascript',
  ])('passes a body of type %s as text', type => {
    expect(bodyOf(type, 'héllo')).toEqual({ body: 'héllo', isBase64Encoded: false })
  })

  it.each([
    undefined,
    'image/png',
    'application/octet-stream',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
  ])('passes a body of type %s as base64', type => {
    expect(bodyOf(type, 'a=1')).toEqual({ body: 'YT0x', isBase64Encoded: true })
  })

  it('passes as base64 what is called text and is not UTF-8, and what is compressed', () => {
    const bytes = Uint8Array.of(0xff, 0xfe, 0x00)
    expect(bodyOf('text/plain', bytes)).toEqual({ body: '//4A', isBase64Encoded: true })
    expect(bodyOf('application/json', '{}', ['Content-Encoding', 'gzip']).isBase64Encoded).toBe(
      true,
    )
  })
})
