import { connect } from 'node:net'

/** Addresses of loopback, a new one each time, since the example counts calls by address. */
let last = 0
export function nextClient() {
  last++
  return `127.${1 + Math.floor(last / 50_000)}.${Math.floor(last / 200) % 250}.${1 + (last % 200)}`
}

/** One connection, from an address of its own, that sends one request after the other. */
export class Client {
  #socket
  #buffer = ''
  #firstMs = 0
  #wake = () => {}

  static async open(site) {
    const { hostname, port } = new URL(site)
    const client = new Client()
    const socket = connect({ host: hostname, port: Number(port), localAddress: nextClient() })
    socket.setNoDelay(true)
    client.#socket = socket
    socket.on('data', chunk => {
      if (client.#buffer === '') client.#firstMs = performance.now()
      client.#buffer += chunk.toString('latin1')
      client.#wake()
    })
    socket.on('error', () => client.#wake())
    socket.on('close', () => client.#wake())
    await new Promise((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return client
  }

  /** Time from the request to the first byte of its answer, and the whole answer. */
  async request(method, path) {
    this.#buffer = ''
    const startMs = performance.now()
    this.#socket.write(
      `${method} ${path} HTTP/1.1\r\nhost: portfolio.localhost\r\n${method === 'POST' ? 'content-length: 0\r\n' : ''}\r\n`,
    )
    for (;;) {
      const end = this.#buffer.indexOf('\r\n\r\n')
      const head = end < 0 ? '' : this.#buffer.slice(0, end)
      const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? -1)
      if (end >= 0 && length < 0) throw new Error(`no content-length in ${head}`)
      if (end >= 0 && this.#buffer.length >= end + 4 + length) {
        const status = Number(head.slice(9, 12))
        const timing = /^server-timing: (.*)$/im.exec(head)?.[1] ?? ''
        const body = this.#buffer.slice(end + 4)
        return { ms: this.#firstMs - startMs, status, body, ...timingOf(timing) }
      }
      if (this.#socket.destroyed) throw new Error('the connection ended before the answer')
      await new Promise(resolve => {
        this.#wake = resolve
      })
    }
  }

  close() {
    this.#socket.destroy()
  }
}

function timingOf(header) {
  const field = name => {
    const value = new RegExp(`\\b${name};dur=([\\d.]+)`).exec(header)?.[1]
    return value === undefined ? undefined : Number(value)
  }
  return { fnMs: field('fn'), initMs: field('init') }
}

/** A counted visit from a new client, connecting included. */
export async function visit(site, method = 'POST') {
  const startMs = performance.now()
  const client = await Client.open(site)
  try {
    const connectMs = performance.now() - startMs
    const answer = await client.request(method, '/api/visits')
    if (answer.status !== 200)
      throw new Error(`${method} answered ${answer.status}: ${answer.body}`)
    return { ...answer, ms: answer.ms + connectMs }
  } finally {
    client.close()
  }
}
