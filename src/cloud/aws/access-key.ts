import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as v from 'valibot'
import type { AwsKey } from '../../aws/dispatch.ts'
import { writeFileAtomic } from '../../shared/atomic-file.ts'
import { MokaError, systemErrorCode } from '../../shared/errors.ts'

const FILE = 'aws-key.json'

const keySchema = v.object({
  accessKeyId: v.pipe(v.string(), v.regex(/^\w{16,128}$/)),
  secretAccessKey: v.pipe(v.string(), v.regex(/^[\x21-\x7e]{16,}$/)),
})

/**
 * The key that AWS clients sign with, made at first start, mode 0600. Throws
 * `CLOUD_AWS_KEY_DAMAGED`.
 */
export async function readAccessKey(dataDirectory: string): Promise<AwsKey> {
  const path = join(dataDirectory, FILE)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error
    const key = makeKey()
    await writeFileAtomic(path, `${JSON.stringify(key, null, 2)}\n`)
    return key
  }
  try {
    return v.parse(keySchema, JSON.parse(text))
  } catch (error) {
    throw new MokaError(
      'CLOUD_AWS_KEY_DAMAGED',
      `cannot use the AWS key in "${path}": it is not an accessKeyId and a secretAccessKey`,
      { hint: 'remove the file: a new key is made, and `moka env` prints it', cause: error },
    )
  }
}

/** Of AWS's form, and not to be taken for one of theirs, which begin with AKIA or ASIA. */
function makeKey(): AwsKey {
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const id = [...randomBytes(16)].map(byte => digits[byte % 32]).join('')
  return { accessKeyId: `MOKA${id}`, secretAccessKey: randomBytes(30).toString('base64') }
}
