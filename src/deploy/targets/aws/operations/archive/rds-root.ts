import { readFile } from 'node:fs/promises'
import { MokaError } from '../../../../../shared/errors.ts'

const FILE = new URL('./rds-roots.pem', import.meta.url)
const ENTRY =
  /^# ([a-z0-9-]+)\n# SHA-256 .*\n(-----BEGIN CERTIFICATE-----\n[\s\S]*?-----END CERTIFICATE-----\n)/gm

/**
 * The certificate that servers of RDS in a region are verified by. No system trusts it by itself, and
 * not every runtime of Lambda ships it. Throws `AWS_REGION_UNKNOWN`.
 */
export async function rdsRoot(region: string): Promise<string> {
  const roots = new Map(
    Array.from((await readFile(FILE, 'utf8')).matchAll(ENTRY), ([, name, pem]) => [name!, pem!]),
  )
  const root = roots.get(region)
  if (root !== undefined) return root
  throw new MokaError(
    'AWS_REGION_UNKNOWN',
    `cannot verify a database in region "${region}": its certificate authority is not known here`,
    {
      hint: `one of ${[...roots.keys()].join(', ')}; or aws: { database: 'dsql' }, or database.url`,
    },
  )
}
