import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { Fields } from '../../http/fields.ts'
import type { Origin, OriginRequest } from '../origins/origin.ts'
import type { ServedEdge } from '../plain-door.ts'
import type { ViewerRequest, ViewerResponse } from '../viewer.ts'
import { createHookDoor } from './hook-door.ts'

// HTTP/2 comes by `respond`; HTTP/1.1 is tested with whole processes.

function open(fetch: Origin['fetch']) {
  const edge: ServedEdge = {
    handle: () => {},
    respond: async () =>
      ({ status: 200, fields: new Fields(), body: { kind: 'none' } }) satisfies ViewerResponse,
  }
  return createHookDoor(edge, { fetch, close: async () => {} })
}

const requestOf = (method: string, target: string, fields: [string, string][] = []) =>
  ({
    ...{ method, target, version: '2', peerAddress: '127.0.0.1', isSecure: true, hasBody: true },
    fields: Fields.from(fields),
    takeBody: () => Readable.from([Buffer.from('{}')]),
    signal: new AbortController().signal,
  }) satisfies ViewerRequest

it('brings a delivery to the cloud, with what is the forge’s alone, and its answer back', async () => {
  let brought: OriginRequest | undefined
  const door = open(async request => {
    brought = request
    const fields = Fields.from([
      ['content-type', 'text/plain'],
      ['x-own', 'secret'],
    ])
    return { status: 202, fields, body: Readable.from([Buffer.from('taken')]) }
  })
  const target = '/.well-known/mokapot/hooks/site'
  const response = await door.respond!(
    requestOf('POST', target, [
      ['x-hub-signature-256', 'sha256=00'],
      ['content-type', 'application/json'],
      ['cookie', 'a=b'],
      ['authorization', 'Basic x'],
      ['x-moka-project', 'other'],
    ]),
  )
  expect(brought?.target).toBe(target)
  expect([...(brought?.fields.names() ?? [])].sort()).toEqual([
    ...['content-type', 'host', 'x-hub-signature-256'],
  ])
  expect(response.status).toBe(202)
  expect(response.fields.has('x-own')).toBe(false)
  expect(response.body.kind === 'stream' && (await text(response.body.stream))).toBe('taken')
})

it.each([
  ['GET', '/.well-known/mokapot/hooks/site'],
  ['POST', '/.well-known/mokapot/release.json'],
  ['POST', '/api/.well-known/mokapot/hooks/site'],
])('leaves %s %s to the site', async (method, target) => {
  const door = open(() => Promise.reject(new Error('not for the cloud')))
  expect((await door.respond!(requestOf(method, target))).status).toBe(200)
})

it('says so when the cloud does not answer', async () => {
  const door = open(() => Promise.reject(new Error('no cloud')))
  const response = await door.respond!(requestOf('POST', '/.well-known/mokapot/hooks/site'))
  expect(response.status).toBe(502)
})

it('refuses what is larger than any forge sends, and brings nothing of it', async () => {
  const door = open(async () => {
    throw new Error('brought')
  })
  const length = String(26 * 1024 * 1024)
  const request = requestOf('POST', '/.well-known/mokapot/hooks/site', [['content-length', length]])
  expect((await door.respond!(request)).status).toBe(413)
})
