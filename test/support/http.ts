import { type Agent, type IncomingHttpHeaders, request } from 'node:http'
import { connect } from 'node:net'

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

export interface AskOptions {
  method?: string
  /** The Host field, where it is not the address itself. */
  host?: string
  headers?: Record<string, string>
  body?: string
  agent?: Agent
  /** The client's own address: any of 127.0.0.0/8 on loopback. */
  localAddress?: string
}

/** One request to a site, the whole answer. Nothing is decoded and no redirect followed. */
export function ask(site: string, path: string, options: AskOptions = {}): Promise<Answer> {
  const { method = 'GET', host, headers, body, agent, localAddress } = options
  return new Promise((resolve, reject) => {
    const outgoing = request(
      new URL(site),
      {
        path,
        method,
        headers: { ...(host === undefined ? {} : { host }), ...headers },
        agent: agent ?? false,
        ...(localAddress === undefined ? {} : { localAddress }),
      },
      response => {
        const chunks: Buffer[] = []
        response.on('data', chunk => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
          })
        })
      },
    )
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/**
 * Sends bytes over a socket of its own and returns, as latin1, what came until the other side
 * closed, or until `quietMs` passed without a byte; then the socket is ended from here.
 */
export function exchange(
  port: number,
  bytes: string | Uint8Array,
  quietMs = 10_000,
): Promise<{ text: string; closed: boolean }> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    const finish = (closed: boolean) => {
      socket.destroy()
      resolve({ text, closed })
    }
    socket.setTimeout(quietMs, () => finish(false))
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
    })
    socket.on('error', () => {})
    socket.on('close', () => finish(true))
    socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  })
}

/** Port of an address such as `http://127.0.0.1:8080` or `127.0.0.1:53`. */
export function portOf(address: string): number {
  return Number(/:(\d+)\/?$/.exec(address)?.[1])
}
