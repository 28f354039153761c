import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { expect, it } from 'vitest'
import { freePort } from './free-port.ts'

it('can be listened on', async () => {
  const port = await freePort()
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve)
  })
  await new Promise(resolve => server.close(resolve))
})

it.runIf(process.platform === 'linux')('is none that who asks for any port is given', async () => {
  const range = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'latin1')
  const [first] = range.split('\t').map(Number)
  for (let time = 0; time < 20; time++) {
    const port = await freePort()
    expect(port).toBeGreaterThan(1024)
    expect(port).toBeLessThan(first! > 21_024 ? first! : 32_768)
  }
})
