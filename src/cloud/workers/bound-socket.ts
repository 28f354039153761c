import { lookup } from 'node:dns/promises'
import net from 'node:net'
import { getSystemErrorName } from 'node:util'
import { asListenError } from '../../edge/listen-error.ts'

/** A TCP socket that is bound and does not listen: for child processes, which inherit it and do. */
export interface BoundSocket {
  readonly fd: number
  close(): void
}

/**
 * Node's own means for the cluster module. It is in no manual, and the only one that binds a socket
 * without accepting on it.
 */
type Bind = (
  address: string,
  port: number,
  family: number,
) => number | { fd: number; getsockname(out: { port?: number }): number; close(): void }

/** Throws EDGE_PORT_TAKEN or EDGE_PORT_REFUSED. */
export async function bindSocket(host: string, port: number): Promise<BoundSocket> {
  const where = { host, port }
  const { address, family } = await lookup(host).catch(error => {
    throw asListenError(error, where)
  })
  const { _createServerHandle: bind } = net as unknown as { _createServerHandle: Bind }
  const handle = bind(address, port, family)
  if (typeof handle === 'number') {
    const code = getSystemErrorName(handle)
    throw asListenError(Object.assign(new Error(code), { code }), where)
  }
  // That the port is taken is told by listening; here by the name that the socket did not get.
  const name: { port?: number } = {}
  const isBound = handle.getsockname(name) === 0 && name.port === port
  if (isBound) return handle
  handle.close()
  throw asListenError(Object.assign(new Error('EADDRINUSE'), { code: 'EADDRINUSE' }), where)
}
