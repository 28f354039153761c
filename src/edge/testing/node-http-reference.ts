import { type AddressInfo, createServer } from 'node:net'
import type { Edge } from '../edge.ts'
import { type NodeHttpLimits, NodeHttpServer } from '../http1/node-http-server.ts'

/** The same edge behind node:http alone, for what our engine is to agree with. */
export interface NodeHttpReference {
  readonly port: number
  close(): Promise<void>
}

export async function openNodeHttpReference(
  edge: Pick<Edge, 'handle'>,
  limits: NodeHttpLimits,
): Promise<NodeHttpReference> {
  const reference = new NodeHttpServer(
    (request, response) => edge.handle(request, response),
    limits,
  )
  reference.start()
  // Connections reach it as they reach it in the edge: accepted elsewhere.
  const door = createServer({ allowHalfOpen: true, noDelay: true }, socket =>
    reference.take(socket),
  )
  await new Promise<void>(resolve => door.listen(0, '127.0.0.1', resolve))
  return {
    port: (door.address() as AddressInfo).port,
    async close() {
      reference.leave(0)
      reference.destroyAll()
      await new Promise<void>(resolve => door.close(() => resolve()))
    },
  }
}
