// Loaded into every process of a test by `--import`: names below localhost are this machine. The
// client of the KeyValueStore puts the account in front of the endpoint's host, and not every
// system's resolver knows such names (RFC 6761 §6.3).
import dns from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'

const { lookup } = dns
dns.lookup = (name, options, ...rest) => {
  if (!/\.localhost$/.test(name)) return lookup(name, options, ...rest)
  const callback = rest[0] ?? options
  const isAll = typeof options === 'object' && options.all === true
  const address = { address: '127.0.0.1', family: 4 }
  process.nextTick(() => (isAll ? callback(null, [address]) : callback(null, address.address, 4)))
}
syncBuiltinESMExports()
