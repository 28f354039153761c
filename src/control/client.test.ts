import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { createControlClient } from './client.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A cloud that answers every request in one way. */
async function clientOf(answer: (response: ServerResponse) => void) {
  const server = createServer((request, response) => {
    request.resume()
    request.once('end', () => answer(response))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const client = createControlClient(`http://127.0.0.1:${port}`, 'token')
  closers.push(() => {
    client.close()
    server.closeAllConnections()
    server.close()
  })
  return client
}

describe('a cloud that is killed in the middle of an answer', () => {
  const cutOff = (begin: string) => (response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.write(begin, () => response.destroy())
  }

  test('cannot leave a rollback waiting for ever: the end is unknown, and said to be', async () => {
    const client = await clientOf(cutOff('{"step":"activate"}\n'))
    await expect(client.rollback('site')).rejects.toMatchObject({ code: 'CONTROL_CUT_OFF' })
  })

  test('is no half JSON value either', async () => {
    const client = await clientOf(cutOff('[{"id":"r-'))
    await expect(client.releases('site')).rejects.toMatchObject({ code: 'CONTROL_CUT_OFF' })
  })

  test('ends the following of logs', async () => {
    const client = await clientOf(cutOff(''))
    await new Promise<void>(resolve =>
      client.followLogs(
        'site',
        undefined,
        0,
        () => {},
        () => resolve(),
      ),
    )
  })
})

test('a cloud that closes before it answers is unreachable', async () => {
  const client = await clientOf(response => response.destroy())
  await expect(client.status()).rejects.toMatchObject({ code: 'CONTROL_UNREACHABLE' })
})

test('what answers but is no cloud is named as such', async () => {
  const client = await clientOf(response => response.writeHead(404).end('<h1>not here</h1>'))
  await expect(client.status()).rejects.toMatchObject({ code: 'CONTROL_NOT_A_CLOUD' })
})
