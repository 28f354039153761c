/** Where the cloud of `moka up` keeps its data. */
export function homeDirectory(): string {
  const { MOKA_HOME } = process.env
  return MOKA_HOME === undefined || MOKA_HOME === '' ? '/var/lib/mokapot' : MOKA_HOME
}
