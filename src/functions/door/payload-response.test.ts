import { describe, expect, it } from 'vitest'
import { readHttpAnswer } from './payload-response.ts'

function read(result: unknown) {
  const answer = readHttpAnswer(result)
  if (answer.kind !== 'response') throw new Error(answer.reason)
  return { ...answer, body: Buffer.from(answer.body).toString('utf8') }
}

describe('readHttpAnswer', () => {
  it.each([
    [{ message: 'hi' }, '{"message":"hi"}'],
    [['a'], '["a"]'],
    ['plain', 'plain'],
    [7, '7'],
    [null, 'null'],
    [undefined, 'null'],
  ])('infers 200 and JSON from %j', (result, body) => {
    expect(read(result)).toEqual({
      kind: 'response',
      status: 200,
      headers: [['content-type', 'application/json']],
      body,
    })
  })

  it('takes status, headers, cookies and body', () => {
    const result = {
      statusCode: 201,
      headers: { 'Content-Type': 'text/html', 'X-Count': 3, 'X-Gone': null },
      multiValueHeaders: { 'X-Many': ['a', 'b'], 'x-count': ['3'] },
      cookies: ['a=1; Secure', 'b=2'],
      body: '<p>',
    }
    expect(read(result)).toEqual({
      kind: 'response',
      status: 201,
      headers: [
        ['content-type', 'text/html'],
        ['x-count', '3'],
        ['x-many', 'a'],
        ['x-many', 'b'],
        ['set-cookie', 'a=1; Secure'],
        ['set-cookie', 'b=2'],
      ],
      body: '<p>',
    })
  })

  it('decodes base64', () => {
    const answer = readHttpAnswer({ statusCode: 200, body: 'AP8=', isBase64Encoded: true })
    expect(answer.kind === 'response' && [...answer.body]).toEqual([0, 255])
  })

  it('drops framing fields, which are the connection’s, and the edge’s own', () => {
    const headers = {
      'Content-Length': '999',
      'Transfer-Encoding': 'chunked',
      Connection: 'x',
      'X-Moka-Release': 'r',
    }
    expect(read({ statusCode: 204, headers }).headers).toEqual([])
  })

  it('takes a status in a string, as API Gateway does', () => {
    expect(read({ statusCode: '404' }).status).toBe(404)
  })

  it.each([
    [{ statusCode: 'abc' }, 'statusCode'],
    [{ statusCode: 99 }, 'statusCode'],
    [{ statusCode: 101 }, 'statusCode'],
    [{ statusCode: 600 }, 'statusCode'],
    [{ statusCode: null }, 'statusCode'],
    [{ statusCode: 200, body: { a: 1 } }, 'body'],
    [{ statusCode: 200, headers: ['a'] }, 'headers'],
    [{ statusCode: 200, headers: { 'a b': '1' } }, 'headers'],
    [{ statusCode: 200, headers: { a: 'x\r\nset-cookie: y' } }, 'headers'],
    [{ statusCode: 200, headers: { a: { b: 1 } } }, 'headers'],
    [{ statusCode: 200, cookies: 'a=1' }, 'cookies'],
    [{ statusCode: 200, cookies: ['a=1\nb'] }, 'cookies'],
  ])('says what is wrong with %j', (result, field) => {
    expect(readHttpAnswer(result)).toEqual({
      kind: 'malformed',
      reason: expect.stringContaining(field),
    })
  })
})
