import { MokaError, systemErrorCode } from '../shared/errors.ts'

/** What kept a socket from listening, as EDGE_PORT_TAKEN or EDGE_PORT_REFUSED. */
export function asListenError(error: Error, where: { host: string; port: number }): MokaError {
  const place = `"${where.host}:${where.port}"`
  const code = systemErrorCode(error)
  if (code === 'EADDRINUSE') {
    return new MokaError('EDGE_PORT_TAKEN', `cannot open the site on ${place}: the port is taken`, {
      hint: 'end the program that holds it, or choose another port',
      cause: error,
    })
  }
  return new MokaError(
    'EDGE_PORT_REFUSED',
    `cannot open the site on ${place}: ${code ?? error.message}`,
    {
      hint: code === 'EACCES' ? 'ports below 1024 need privileges' : 'check the address',
      cause: error,
    },
  )
}
