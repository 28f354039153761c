import { randomUUID } from 'node:crypto'
import { createHttpEvent, type HttpEvent } from '../functions/door/payload-request.ts'

/** The event a function gets for an HTTP request, for one that nobody sent. */
export function requestEvent(
  request: {
    /** Default: GET, and POST where there is a body. */
    method?: string | undefined
    /** Path and query, encoded. */
    path: string
    /** Its media type is JSON's where it is JSON. */
    body?: string | undefined
  },
  now: number,
): HttpEvent {
  const { method, path, body } = request
  const bytes = Buffer.from(body ?? '')
  const rawHeaders = ['host', 'localhost', 'user-agent', 'moka']
  if (body !== undefined) {
    const type = isJson(body) ? 'application/json' : 'text/plain; charset=utf-8'
    rawHeaders.push('content-type', type, 'content-length', String(bytes.length))
  }
  return createHttpEvent(
    {
      method: (method ?? (body === undefined ? 'GET' : 'POST')).toUpperCase(),
      target: path,
      httpVersion: '1.1',
      rawHeaders,
      body: bytes,
      client: '127.0.0.1',
      requestId: randomUUID(),
      route: undefined,
    },
    now,
  )
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
