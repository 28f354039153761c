import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Fields } from '../../http/fields.ts'
import type { Origin, OriginRequest } from './origin.ts'
import { createUnixSocketOrigin } from './unix-socket.ts'

let directory: string
let server: Server
let origin: Origin
let connections = 0
let answer: (request: IncomingMessage, response: ServerResponse) => void

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'moka-origin-'))
  connections = 0
  answer = (_request, response) => response.end('ok')
  server = createServer((request, response) => answer(request, response))
  server.on('connection', () => connections++)
  const socketPath = join(directory, 's')
  await new Promise<void>(resolve => server.listen(socketPath, resolve))
  origin = createUnixSocketOrigin({ socketPath })
})
afterEach(async () => {
  await origin.close()
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
  rmSync(directory, { recursive: true })
})

async function ask(also: Partial<OriginRequest> = {}): Promise<string> {
  const response = await origin.fetch({
    method: 'GET',
    target: '/',
    fields: Fields.from([['host', 'a']]),
    body: undefined,
    signal: new AbortController().signal,
    ...also,
  })
  return text(response.body)
}

test('keeps its connection for requests without a body, a POST too', async () => {
  for (const method of ['GET', 'POST', 'GET', 'POST']) {
    expect(await ask({ method })).toBe('ok')
    // The connection is free again a turn after the body's end.
    await new Promise(setImmediate)
  }
  expect(connections).toBe(1)
})

test('asks again on a new connection when the kept one was closed meanwhile', async () => {
  await ask()
  await new Promise(setImmediate)
  let calls = 0
  answer = (_request, response) => {
    calls++
    // What a server does that closed the idle connection just as the request came.
    if (calls === 1) response.socket?.destroy()
    else response.end('second')
  }
  expect(await ask()).toBe('second')
})

test('never sends a POST twice', async () => {
  await ask()
  await new Promise(setImmediate)
  let calls = 0
  answer = (_request, response) => {
    calls++
    response.socket?.destroy()
  }
  await expect(ask({ method: 'POST' })).rejects.toMatchObject({ failure: 'unreachable' })
  expect(calls).toBe(1)
})

test('bodies that do not come hold up no other request', async () => {
  origin = createUnixSocketOrigin({ socketPath: join(directory, 's'), maxConnections: 2 })
  const abort = new AbortController()
  answer = (request, response) => request.resume().on('end', () => response.end('ok'))
  const slow = Array.from({ length: 4 }, () => {
    const body = new Readable({ read() {} })
    body.push('begun')
    return ask({ body, signal: abort.signal })
  })
  expect(await ask()).toBe('ok')
  abort.abort()
  for (const each of slow) await expect(each).rejects.toMatchObject({ failure: 'aborted' })
})

test('frames a body by its length where told, else in chunks, for any method', async () => {
  answer = async (request, response) => {
    const { 'content-length': length, 'transfer-encoding': coding } = request.headers
    response.end(`${request.method} ${length} ${coding} ${await text(request)}`)
  }
  const body = () => Readable.from([Buffer.from('body')])
  expect(await ask({ method: 'DELETE', body: body() })).toBe('DELETE undefined chunked body')
  const fields = Fields.from([
    ['host', 'a'],
    ['content-length', '4'],
  ])
  expect(await ask({ method: 'PATCH', body: body(), fields })).toBe('PATCH 4 undefined body')
  expect(await ask({ method: 'POST' })).toBe('POST 0 undefined ')
  expect(await ask({ method: 'GET' })).toBe('GET undefined undefined ')
})

test('tells apart how an origin fails', async () => {
  const fields = Fields.from([['host', 'a']])
  const request = { method: 'GET', target: '/', fields, body: undefined }
  const { signal } = new AbortController()
  answer = () => {}
  const hasty = createUnixSocketOrigin({ socketPath: join(directory, 's'), timeoutMs: 100 })
  await expect(hasty.fetch({ ...request, signal })).rejects.toMatchObject({ failure: 'timeout' })
  answer = (_request, response) => response.socket?.end('nonsense\r\n\r\n')
  await expect(ask()).rejects.toMatchObject({ failure: 'malformed' })
  const gone = createUnixSocketOrigin({ socketPath: join(directory, 'nobody') })
  await expect(gone.fetch({ ...request, signal })).rejects.toMatchObject({ failure: 'unreachable' })
  await expect(ask({ signal: AbortSignal.abort() })).rejects.toMatchObject({ failure: 'aborted' })
})
