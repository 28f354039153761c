import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** What happens to a connection once the client has sent so many bytes through it. */
export interface Fault {
  /** `corrupt` changes one bit of what comes then; after it all goes on as it should. */
  kind: 'cut' | 'stall' | 'corrupt'
  afterBytes: number
}

export interface FaultyProxy {
  url: string
  /** Connections that came so far. */
  connections(): number
  /** Bytes that reached the other side. */
  passed(): number
  close(): Promise<void>
}

/**
 * A network between a client and a server that fails as it is told: `faultOf` is asked for each
 * connection, by its number from 0, and `refuse` is a connection that nobody takes.
 */
export async function openFaultyProxy(
  target: string,
  faultOf: (connection: number) => Fault | 'refuse' | undefined,
): Promise<FaultyProxy> {
  const { port: targetPort } = new URL(target)
  const sockets = new Set<Socket>()
  let count = 0
  let passed = 0
  const server = createServer(client => {
    const fault = faultOf(count++)
    client.on('error', () => {})
    if (fault === 'refuse') {
      client.resetAndDestroy()
      return
    }
    const inner = connect(Number(targetPort), '127.0.0.1')
    for (const socket of [client, inner]) {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      socket.on('error', () => {})
    }
    client.on('close', () => inner.destroy())
    inner.on('close', () => client.destroy())
    inner.on('data', chunk => client.write(chunk))
    let received = 0
    let isStalled = false
    client.on('data', given => {
      if (isStalled) return
      let chunk = given
      const left = fault === undefined ? Number.POSITIVE_INFINITY : fault.afterBytes - received
      received += chunk.length
      if (fault !== undefined && left >= 0 && chunk.length > left) {
        if (fault.kind === 'corrupt') {
          chunk = Buffer.from(chunk)
          chunk[left]! ^= 1
        } else {
          chunk = chunk.subarray(0, left)
          isStalled = true
          if (fault.kind === 'stall') client.pause()
          else client.resetAndDestroy()
        }
      }
      passed += chunk.length
      if (!inner.destroyed && !inner.write(chunk)) {
        client.pause()
        inner.once('drain', () => isStalled || client.resume())
      }
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => count,
    passed: () => passed,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
