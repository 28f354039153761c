import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** A server on a free port, to stand behind the edge. */
export interface OriginServer {
  readonly url: string
  /** What it was asked, in order. */
  readonly requests: IncomingMessage[]
  readonly connections: number
  /** How it answers from now on. */
  onRequest(listener: RequestListener): void
  /** How it answers who wants to switch protocols; without, such requests are as any other. */
  onUpgrade(listener: (request: IncomingMessage, socket: Socket, head: Buffer) => void): void
  close(): Promise<void>
}

export async function openOriginServer(): Promise<OriginServer> {
  const requests: IncomingMessage[] = []
  let connections = 0
  let listener: RequestListener = (_request, response) => response.end('ok')
  const server: Server = createServer((request, response) => {
    requests.push(request)
    listener(request, response)
  })
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    connections++
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    get connections() {
      return connections
    },
    onRequest(next) {
      listener = next
    },
    onUpgrade(next) {
      server.removeAllListeners('upgrade')
      server.on('upgrade', next)
    },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
