import { resolve } from 'node:path'

/** Where the cloud of `moka up` keeps its data. Absolute, for processes with other working folders. */
export function homeDirectory(): string {
  const { MOKA_HOME } = process.env
  return MOKA_HOME === undefined || MOKA_HOME === '' ? '/var/lib/mokapot' : resolve(MOKA_HOME)
}
