import { MokaError, systemErrorCode } from '../shared/errors.ts'

/** What a person is told when a port cannot be had; what is not theirs to solve stays as it is. */
export function listenError(cause: unknown, host: string, port: number): unknown {
  const doing = `cannot open DNS server on "${host}" port ${port}`
  switch (systemErrorCode(cause)) {
    case 'EADDRINUSE':
      return new MokaError('DNS_PORT_TAKEN', `${doing}: another program uses the port`, {
        hint: `choose another port, or stop that program (ss -lntup 'sport = :${port}' names it)`,
        cause,
      })
    case 'EACCES':
      return new MokaError('DNS_PORT_DENIED', `${doing}: this user may not use ports below 1024`, {
        hint: 'choose a port from 1024 up, run as root, or allow it: setcap cap_net_bind_service=+ep on the node binary',
        cause,
      })
    case 'EADDRNOTAVAIL':
      return new MokaError('DNS_HOST_UNKNOWN', `${doing}: this machine has no such address`, {
        hint: 'give an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all',
        cause,
      })
    default:
      return cause
  }
}
