// Opens many connections, asks each one question and then keeps them open, silent:
// node idle-clients.mjs COUNT http|https PORT. Prints "open" once all were answered; ends with stdin.
import { connect as connectPlain } from 'node:net'
import { connect as connectTls } from 'node:tls'

const [count, scheme, port] = process.argv.slice(2)
/** At once in the making: a server's queue of connections is not endless. */
const AT_ONCE = 100
/** Of one address there are only so many ports. */
const PER_ADDRESS = 10_000

let next = 0
const open = []
await Promise.all(Array.from({ length: AT_ONCE }, openNext))
process.stdout.write('open\n')
process.stdin.on('end', () => process.exit(0)).resume()

async function openNext() {
  while (next < Number(count)) {
    const number = next++
    const localAddress = `127.0.0.${2 + Math.floor(number / PER_ADDRESS)}`
    const options = { host: '127.0.0.1', port: Number(port), localAddress }
    const socket =
      scheme === 'https'
        ? connectTls({ ...options, rejectUnauthorized: false })
        : connectPlain(options)
    open.push(socket)
    await new Promise((resolve, reject) => {
      let heard = ''
      socket.on('data', chunk => {
        heard += chunk.toString('latin1')
        if (heard.endsWith('x')) resolve()
      })
      socket.on('error', reject)
      socket.on('close', () => reject(new Error('the server closed a connection')))
      socket.write('GET /1.txt HTTP/1.1\r\nHost: site.test\r\n\r\n')
    })
  }
}
