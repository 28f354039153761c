import { createServer, type Socket } from 'node:net'
import type { ConnectionTarget } from '../../../../../database/client/connection-url.ts'
import { openSocket } from '../../../../../database/client/open-socket.ts'

// PostgreSQL, "Message Formats": what a client may begin with.
const SSL_REQUEST = 80_877_103
const GSS_REQUEST = 80_877_104
const DECLINED = 'N'
const AUTHENTICATION = 0x52 // 'R'
const CLEARTEXT_PASSWORD = 3
/** Longer is no beginning of a session. PostgreSQL's own limit (MAX_STARTUP_PACKET_LENGTH). */
const MAX_STARTUP_BYTES = 10_000
const CONNECTION_FAILURE = '08006'

/**
 * A door on loopback to a database that takes tokens of IAM for passwords: whoever connects here needs
 * none and no TLS. Each session gets a token of its own, so that drivers may keep the URL for as long
 * as they like. Nothing of it keeps the process alive.
 */
export async function openDatabaseProxy(
  signIn: () => ConnectionTarget,
): Promise<{ port: number; close(): void }> {
  const server = createServer({ noDelay: true }, client => {
    client.unref()
    client.on('error', () => client.destroy())
    void serve(client, signIn).catch((error: Error) => client.end(fatal(error.message)))
  })
  server.unref()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve)
  })
  return { port: (server.address() as { port: number }).port, close: () => void server.close() }
}

async function serve(client: Socket, signIn: () => ConnectionTarget): Promise<void> {
  const reader = new Reader(client)
  const beginning = await readBeginning(reader, client)
  const target = signIn()
  const server = await openSocket(target)
  server.unref()
  const end = () => {
    client.destroy()
    server.destroy()
  }
  for (const socket of [client, server]) socket.on('error', end).on('close', end)
  server.write(beginning)
  const answers = new Reader(server)
  for (;;) {
    const header = await answers.read(5)
    const body = await answers.read(header.readInt32BE(1) - 4)
    const isRequest = header[0] === AUTHENTICATION
    if (isRequest && body.readInt32BE(0) === CLEARTEXT_PASSWORD) {
      server.write(message('p', `${target.password}\0`))
      break
    }
    client.write(Buffer.concat([header, body]))
    // Another way to sign in, or a refusal, is between the two of them.
    if (isRequest || header[0] === 0x45) break
  }
  client.write(answers.release())
  server.write(reader.release())
  server.pipe(client)
  client.pipe(server)
}

/** What opens a session or cancels a query of one; TLS is declined before. */
async function readBeginning(reader: Reader, client: Socket): Promise<Buffer> {
  for (;;) {
    const header = await reader.read(8)
    const length = header.readInt32BE(0)
    const code = header.readInt32BE(4)
    if (length < 8 || length > MAX_STARTUP_BYTES) throw new Error('this is not PostgreSQL')
    if (code !== SSL_REQUEST && code !== GSS_REQUEST) {
      return Buffer.concat([header, await reader.read(length - 8)])
    }
    client.write(DECLINED)
  }
}

/** Reads a socket in pieces of given sizes, until it is released. */
class Reader {
  readonly #socket: Socket
  #buffer = Buffer.alloc(0)
  #wake: () => void = () => {}
  #hasEnded = false
  readonly #onData = (chunk: Buffer) => {
    this.#buffer = Buffer.concat([this.#buffer, chunk])
    this.#wake()
  }
  readonly #onEnd = () => {
    this.#hasEnded = true
    this.#wake()
  }

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onEnd)
  }

  async read(sizeBytes: number): Promise<Buffer> {
    while (this.#buffer.length < sizeBytes) {
      if (this.#hasEnded) throw new Error('the database closed the connection')
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
    const piece = this.#buffer.subarray(0, sizeBytes)
    this.#buffer = this.#buffer.subarray(sizeBytes)
    return piece
  }

  /** Reads no more; what was read too much. */
  release(): Buffer {
    this.#socket.pause()
    this.#socket.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onEnd)
    return this.#buffer
  }
}

function message(type: string, body: string): Buffer {
  const bytes = Buffer.from(body)
  const header = Buffer.alloc(5)
  header.write(type, 0)
  header.writeInt32BE(bytes.length + 4, 1)
  return Buffer.concat([header, bytes])
}

/** An ErrorResponse, which a driver shows to whoever wrote the function. */
function fatal(text: string): Buffer {
  return message('E', `SFATAL\0VFATAL\0C${CONNECTION_FAILURE}\0M${text}\0\0`)
}
