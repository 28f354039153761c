// Loaded into a process of a test by `--import`: the names of MOKA_TEST_WORLD lead to servers of the
// test, as they do to AWS in the world. `{"hosts":{"site.example:443":4443},"dns":"127.0.0.1:5353"}`.
import dns from 'node:dns'
import { Resolver } from 'node:dns/promises'
import net from 'node:net'

const { hosts, dns: nameServer } = JSON.parse(process.env.MOKA_TEST_WORLD ?? '{"hosts":{}}')
const { connect } = net.Socket.prototype

net.Socket.prototype.connect = function connectInTest(...args) {
  const options = Array.isArray(args[0]) ? args[0][0] : args[0]
  const port = hosts[`${options?.host}:${options?.port}`]
  if (port !== undefined) Object.assign(options, { host: '127.0.0.1', port })
  return connect.apply(this, args)
}

const { resolve4 } = Resolver.prototype
Resolver.prototype.resolve4 = function resolveInTest(...args) {
  if (nameServer !== undefined) this.setServers([nameServer])
  return resolve4.apply(this, args)
}
dns.setDefaultResultOrder('ipv4first')
