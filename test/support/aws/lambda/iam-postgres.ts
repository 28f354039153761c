import { execFileSync } from 'node:child_process'
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { connect } from '../../../../src/database/client/connect.ts'
import { parseConnectionUrl } from '../../../../src/database/client/connection-url.ts'
import { openDatabase } from '../../../../src/database/database.ts'
import { databaseToken } from '../../../../src/deploy/targets/aws/operations/lambda/iam-token.ts'
import { silentLogger } from '../../../../src/shared/logger.ts'
import { LAMBDA_KEYS } from './lambda-runner.ts'

/** A PostgreSQL that lets in who shows a token of IAM, by TLS alone: as RDS does. */
export interface IamPostgres {
  host: string
  port: number
  /** PEM of whoever signed its certificate. */
  root: string
  /** Users that came in, in order. */
  readonly signedIn: readonly string[]
  /** Runs SQL in its database `app` as the superuser. */
  sql(text: string): Promise<Record<string, unknown>[]>
  /** Ends every session, as a restart does. */
  disconnect(): void
  close(): Promise<void>
}

/** How old a token may be, by whoever made it. */
const MAX_AGE_MS = 15 * 60_000

/**
 * The real PostgreSQL, behind a door that has TLS and asks for a password in clear text, which has to
 * be a token that is signed with the keys of `startLambda`. It has what a new instance of RDS has: the
 * user `mokapot`, who is no superuser, and its database `app`.
 */
export async function startIamPostgres(region = 'eu-central-1'): Promise<IamPostgres> {
  const directory = await mkdtemp(join(tmpdir(), 'iam-postgres-'))
  const database = await openDatabase({ directory, port: 0, logger: silentLogger })
  const { url } = await database.ensure('setup')
  const own = parseConnectionUrl(url)
  // The door has asked already: whoever comes from there is let in.
  const data = join(directory, 'data')
  await writeFile(join(data, 'pg_hba.conf'), 'host all all 127.0.0.1/32 trust\n')
  const pid = Number((await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n')[0])
  process.kill(pid, 'SIGHUP')
  const as = (user: string, name: string) =>
    connect({ ...own, user, password: '', database: name, sslMode: 'disable' })
  const superuser = await patiently(() => as('_moka', 'postgres'))
  await superuser.sql.unsafe('create role rds_iam nologin')
  await superuser.sql.unsafe('create role mokapot login createrole createdb')
  await superuser.sql.unsafe('grant rds_iam to mokapot with admin option')
  await superuser.sql.unsafe('create database app owner mokapot')
  await superuser.close()

  const key = join(directory, 'door.key')
  const certificate = join(directory, 'door.crt')
  const subject = ['-subj', '/CN=x', '-addext', 'subjectAltName=DNS:localhost']
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const files = ['-keyout', key, '-out', certificate]
  execFileSync('openssl', ['req', '-x509', '-days', '1', ...curve, ...files, ...subject], {
    stdio: 'ignore',
  })
  const tls = { key: await readFile(key), cert: await readFile(certificate), isServer: true }
  await appendFile(join(directory, 'door.log'), '')
  const signedIn: string[] = []
  const sockets = new Set<Socket>()
  const door = createServer(socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy())
    void letIn(socket).catch(() => socket.destroy())
  })
  await new Promise<void>(resolve => door.listen(0, 'localhost', resolve))
  const { port } = door.address() as { port: number }

  async function letIn(socket: Socket): Promise<void> {
    const asked = await take(socket, () => 8)
    if (asked.readInt32BE(4) !== 80_877_103) throw new Error('not encrypted')
    socket.write('S')
    const client = new TLSSocket(socket, tls)
    client.on('error', () => socket.destroy())
    const startup = await take(client, bytes => (bytes.length < 4 ? 4 : bytes.readInt32BE(0)))
    const fields = startup.subarray(8).toString('utf8').split('\0')
    const user = fields[fields.indexOf('user') + 1] ?? ''
    client.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3])) // AuthenticationCleartextPassword
    const message = await take(client, bytes => (bytes.length < 5 ? 5 : bytes.readInt32BE(1) + 1))
    const password = message.subarray(5, -1).toString('utf8')
    if (!isToken(password, { user, region, port })) {
      const text = `SFATAL\0VFATAL\0C28000\0MPAM authentication failed for user "${user}"\0\0`
      const length = Buffer.alloc(4)
      length.writeInt32BE(text.length + 4)
      client.end(Buffer.concat([Buffer.from('E'), length, Buffer.from(text)]))
      return
    }
    signedIn.push(user)
    const server = connectTcp(own.port, '127.0.0.1')
    const end = () => {
      client.destroy()
      server.destroy()
    }
    for (const side of [client, server]) side.on('error', end).on('close', end)
    server.write(startup)
    server.pipe(client)
    client.pipe(server)
  }

  return {
    ...{ host: 'localhost', port, root: await readFile(certificate, 'utf8'), signedIn },
    async sql(text) {
      const connection = await as('_moka', 'app')
      try {
        return [...(await connection.sql.unsafe(text))]
      } finally {
        await connection.close()
      }
    },
    disconnect() {
      for (const socket of sockets) socket.destroy()
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => door.close(resolve))
      await database.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Whether it is what our keys sign for this user, at the time it says, which is not long ago. */
function isToken(
  password: string,
  { user, region, port }: { user: string; region: string; port: number },
): boolean {
  const date = /X-Amz-Date=(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(password)
  if (date === null) return false
  const [year, month, day, hour, minute, second] = date.slice(1).map(Number) as number[]
  const nowMs = Date.UTC(year!, month! - 1, day, hour, minute, second)
  if (Math.abs(Date.now() - nowMs) > MAX_AGE_MS) return false
  const request = { kind: 'rds', region, host: 'localhost', port, user, nowMs } as const
  return password === databaseToken({ ...request, keys: LAMBDA_KEYS })
}

/** Reads until there is as much as `size` says of what came so far. */
async function take(socket: Socket, size: (bytes: Buffer) => number): Promise<Buffer> {
  let bytes = Buffer.alloc(0)
  while (bytes.length < size(bytes)) {
    const missing = size(bytes) - bytes.length
    const chunk = socket.read(missing) as Buffer | null
    if (chunk !== null) bytes = Buffer.concat([bytes, chunk])
    else if (socket.readableEnded || socket.destroyed) throw new Error('closed')
    else {
      await new Promise<void>(resolve => {
        for (const event of ['readable', 'end', 'close']) socket.once(event, () => resolve())
      })
    }
  }
  return bytes
}

async function patiently<T>(work: () => Promise<T>): Promise<T> {
  const endMs = performance.now() + 30_000
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (performance.now() > endMs) throw error
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
}
