import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../src/shared/free-port.ts'
import { hasPebble, type Pebble, startPebble } from '../conformance/acme/pebble.ts'
import {
  moka,
  remove,
  startUp,
  type TestCloud,
  temporaryFolder,
  until,
  writeProject,
} from '../support/moka.ts'

// The whole way of a certificate, without a hand on it: a project is deployed to `moka up`, the
// authority finds its domain through our DNS, is answered by an edge worker, and HTTPS is there.
describe.skipIf(!hasPebble)(
  `moka up with an ACME authority${hasPebble ? '' : ' (no pebble)'}`,
  () => {
    let folder: string
    let pebble: Pebble
    let cloud: TestCloud
    let httpsPort: number

    beforeAll(async () => {
      folder = await temporaryFolder('acme')
      const home = join(folder, 'home')
      await mkdir(home)
      const [httpPort, tlsPort, dnsPort] = await Promise.all([freePort(), freePort(), freePort()])
      httpsPort = tlsPort
      pebble = await startPebble({ httpPort, tlsPort, dnsServer: `127.0.0.1:${dnsPort}` })
      await writeFile(join(folder, 'authority.pem'), pebble.ca)
      const ports = { '--site-port': httpPort, '--https-port': tlsPort, '--dns-port': dnsPort }
      const given = Object.entries(ports).flatMap(([option, port]) => [option, String(port)])
      const free = ['--control-port', '0', '--aws-port', '0', '--database-port', '0']
      const acme = ['--acme-email', 'me@site.example', '--acme-directory', pebble.directoryUrl]
      cloud = await startUp(home, [...given, ...free, ...acme], {
        isEphemeral: false,
        env: { NODE_EXTRA_CA_CERTS: join(folder, 'authority.pem') },
      })
      await writeProject(join(folder, 'site'), { 'dist/index.html': 'hello' })
      const deployed = await moka(['deploy'], {
        cwd: join(folder, 'site'),
        env: { MOKA_HOME: home },
      })
      expect(deployed).toMatchObject({ code: 0 })
    })
    afterAll(async () => {
      await cloud?.stop()
      await pebble?.close()
      await remove(folder)
    })

    it('has a certificate for the domain of a project that was just deployed', async () => {
      const ca = await pebble.root()
      await until(
        async () => (await handshake('site.example', ca)) === 'authorized',
        30_000,
        'a certificate that the authority issued',
      )
      expect(await handshake('www.site.example', ca)).toBe('authorized')
      expect(await handshake('other.example', ca)).not.toBe('authorized')
    })

    it('has one for all previews, by DNS, once there is a preview', async () => {
      const ca = await pebble.root()
      expect(await handshake('menu.preview.site.example', ca)).not.toBe('authorized')
      const deployed = await moka(['deploy', '--preview', 'menu', '--json'], {
        cwd: join(folder, 'site'),
        env: { MOKA_HOME: join(folder, 'home') },
      })
      expect(deployed).toMatchObject({ code: 0 })
      expect(JSON.parse(deployed.stdout).url).toBe(
        `https://menu.preview.site.example:${httpsPort}/`,
      )
      await until(
        async () => (await handshake('menu.preview.site.example', ca)) === 'authorized',
        30_000,
        'a certificate for previews',
      )
      expect(await handshake('other.preview.site.example', ca)).toBe('authorized')
    })

    async function handshake(servername: string, ca: string): Promise<string> {
      return new Promise(resolve => {
        const socket = connect({ port: httpsPort, host: '127.0.0.1', servername, ca }, () => {
          resolve(socket.authorized ? 'authorized' : String(socket.authorizationError))
          socket.destroy()
        })
        socket.once('error', error => resolve(error.message))
      })
    }
  },
)
