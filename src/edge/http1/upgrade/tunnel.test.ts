import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { openTunnel } from './tunnel.ts'

const open: { destroy(): void }[] = []
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy()
})

/** Both ends of a connection. */
async function pair(): Promise<{ far: Socket; near: Socket }> {
  const server = createServer({ allowHalfOpen: true })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const [near] = (await once(server, 'connection')) as [Socket]
  server.close()
  open.push(far, near)
  return { far, near }
}

test('a tunnel in which nothing moves is closed on both sides', async () => {
  const [viewer, origin] = [await pair(), await pair()]
  openTunnel(viewer.near, origin.near, 1000)
  viewer.far.write('one word')
  expect(String((await once(origin.far, 'data'))[0])).toBe('one word')
  await Promise.all([once(viewer.far.resume(), 'end'), once(origin.far.resume(), 'end')])
  expect(viewer.near.destroyed && origin.near.destroyed).toBe(true)
})

test('what is on its way arrives, though its sender has closed', async () => {
  const [viewer, origin] = [await pair(), await pair()]
  openTunnel(viewer.near, origin.near)
  viewer.far.pause()
  const whole = Buffer.alloc(4_000_000, 'to the last byte ')
  origin.far.end(whole)
  const chunks: Buffer[] = []
  for await (const chunk of viewer.far) chunks.push(chunk as Buffer)
  expect(Buffer.concat(chunks).equals(whole)).toBe(true)
  viewer.far.end()
  await once(viewer.near, 'close')
})

test('a reset of one side is one of the other', async () => {
  const [viewer, origin] = [await pair(), await pair()]
  openTunnel(viewer.near, origin.near)
  origin.far.resetAndDestroy()
  viewer.far.on('error', () => {})
  await once(viewer.far.resume(), 'end')
  expect(viewer.near.destroyed).toBe(true)
})
