import { request } from 'node:http'
import { connect } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { RuntimeApi } from './runtime-api.ts'

let api: RuntimeApi
let opened: { address: string; key: string; close(): void }
let asked: number
let disconnected: number

beforeEach(async () => {
  api = new RuntimeApi()
  asked = 0
  disconnected = 0
  opened = await api.listen({
    onNext: answer => {
      asked++
      answer({}, '"event"')
    },
    onResponse: () => true,
    onError: () => true,
    onInitError: () => {},
    onDisconnect: () => void disconnected++,
  })
})
afterEach(() => {
  opened.close()
  api.close()
})

/** Asks for the next event, and resolves to it or to how that was refused. */
function next(headers: Record<string, string> = {}): Promise<string> {
  return new Promise(resolve => {
    const path = '/2018-06-01/runtime/invocation/next'
    const outgoing = request(`http://${opened.address}${path}`, { headers, agent: false })
    outgoing.on('error', error => resolve((error as { code?: string }).code ?? ''))
    outgoing.on('response', async response => {
      resolve(Buffer.concat(await response.toArray()).toString())
    })
    outgoing.end()
  })
}

it('gives no event to who comes first without the key, and the event to who has it', async () => {
  expect(await next()).toBe('ECONNRESET')
  expect(await next({ 'mokapot-key': '0'.repeat(32) })).toBe('ECONNRESET')
  expect([asked, disconnected]).toEqual([0, 0])
  expect(await next({ 'mokapot-key': opened.key })).toBe('"event"')
  expect(asked).toBe(1)
})

it('hangs up on others once that one is known, and takes no more', async () => {
  const [host, port] = opened.address.split(':')
  const silent = connect(Number(port), host)
  const isGone = new Promise(resolve => silent.on('error', () => {}).on('close', resolve))
  await new Promise(resolve => silent.on('connect', resolve))
  expect(await next({ 'mokapot-key': opened.key })).toBe('"event"')
  await isGone
  expect(await next({ 'mokapot-key': opened.key })).toBe('ECONNREFUSED')
})
