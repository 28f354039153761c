import { readFile } from 'node:fs/promises'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { MokaError, systemErrorCode } from '../../shared/errors.ts'
import { type ConnectionTarget, describeServer } from './connection-url.ts'

// int32 length 8, then the code 1234 5679 (PostgreSQL, "Message Formats", SSLRequest).
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])
const ACCEPTED = 0x53 // 'S'
const DECLINED = 0x4e // 'N'

const REASONS: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host name could not be looked up',
  ETIMEDOUT: 'no answer',
  ECONNRESET: 'the server closed the connection',
  ENOENT: 'there is no such socket',
}

/** `DATABASE_UNREACHABLE`, naming the server and database and never the password. */
export function unreachable(target: ConnectionTarget, cause: unknown): MokaError {
  const code = systemErrorCode(cause)
  const reason =
    (code === undefined ? undefined : REASONS[code]) ??
    ((cause instanceof Error && cause.message) || code || 'no answer')
  return new MokaError(
    'DATABASE_UNREACHABLE',
    `cannot connect to database "${target.database}" at ${describeServer(target)}: ${reason}`,
    { cause },
  )
}

async function tlsOptions(target: ConnectionTarget): Promise<ConnectionOptions> {
  const options: ConnectionOptions = {
    rejectUnauthorized: target.sslMode.startsWith('verify'),
    ...(isIP(target.host) === 0 ? { servername: target.host } : { host: target.host }),
  }
  if (target.sslMode === 'verify-ca') options.checkServerIdentity = () => undefined
  if (target.sslRootCert !== undefined && target.sslRootCert !== 'system') {
    options.ca = await readPem('sslrootcert', target.sslRootCert)
  }
  if (target.sslCert !== undefined) options.cert = await readPem('sslcert', target.sslCert)
  if (target.sslKey !== undefined) options.key = await readPem('sslkey', target.sslKey)
  return options
}

async function readPem(parameter: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new Error(`cannot read its ${parameter} "${path}" (${systemErrorCode(error)})`)
  }
}

/** Settles with the first of: `event`, an error, the end of the connection. */
function once(socket: Socket, event: string): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void) => {
      socket.off(event, onEvent).off('error', onError).off('close', onClose)
      finish()
    }
    const onEvent = (value?: Buffer) => settle(() => resolve(value))
    const onError = (error: Error) => settle(() => reject(error))
    const onClose = () =>
      settle(() => reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' })))
    socket.once(event, onEvent).once('error', onError).once('close', onClose)
  })
}

async function startTls(socket: Socket, target: ConnectionTarget): Promise<Socket> {
  const options = await tlsOptions(target)
  socket.write(SSL_REQUEST)
  const answer = await once(socket, 'data')
  // More than the one byte before TLS could be injected plain text (CVE-2021-23222).
  if (answer?.length === 1 && answer[0] === ACCEPTED) {
    const secure = connectTls({ ...options, socket })
    await once(secure, 'secureConnect')
    return secure
  }
  if (answer?.length === 1 && answer[0] === DECLINED && target.sslMode === 'prefer') return socket
  if (answer?.[0] !== DECLINED) throw new Error('it does not answer like PostgreSQL')
  throw new Error(`the server does not offer TLS, which sslmode=${target.sslMode} demands`)
}

/**
 * Opens the transport to a server, TLS included, as `sslmode` means it in libpq: `require`
 * encrypts without proof of identity, `verify-ca` checks the chain, `verify-full` the name too.
 * Throws `DATABASE_UNREACHABLE`.
 */
export async function openSocket(target: ConnectionTarget): Promise<Socket> {
  const isLocal = target.host.startsWith('/')
  const socket = isLocal
    ? connectTcp({ path: describeServer(target) })
    : connectTcp({ host: target.host, port: target.port })
  const timer = setTimeout(
    () => socket.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })),
    target.connectTimeoutSeconds * 1000,
  )
  try {
    await once(socket, 'connect')
    socket.setNoDelay(true)
    return isLocal || target.sslMode === 'disable' ? socket : await startTls(socket, target)
  } catch (error) {
    socket.on('error', () => {}).destroy()
    throw unreachable(target, error)
  } finally {
    clearTimeout(timer)
  }
}
