import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Listens on a port, 0 for any, or on a Unix socket. Resolves with the port; rejects with the system's error. */
export async function listenOn(
  server: Server,
  where: { host: string; port: number } | { path: string },
): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(where, () => {
      server.off('error', reject)
      resolve()
    })
  })
  const address = server.address()
  return typeof address === 'object' ? ((address as AddressInfo | null)?.port ?? 0) : 0
}

/** Takes no more connections, and ends those that there are. */
export function closeAtOnce(server: Server): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
