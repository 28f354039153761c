import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { writeFileAtomic } from '../../shared/atomic-file.ts'
import { MokaError, systemErrorCode } from '../../shared/errors.ts'

const KEY_BYTES = 32
/** NIST SP 800-38D §8.2.2: random, so at most 2^32 of them with one key. */
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** A text that only the key's holder can read or make, base64. */
export interface Sealed {
  /** Of the key: tells a wrong key from a damaged text. */
  keyId: string
  /** Nonce, text and tag. */
  sealed: string
}

/** AES-256-GCM under the key of one file. `purpose` has to be the same when it is opened. */
export class SecretsKey {
  readonly path: string
  readonly id: string
  readonly #key: Buffer

  constructor(path: string, key: Buffer) {
    this.path = path
    this.#key = key
    const digest = createHash('sha256').update('mokapot secrets key\n').update(key).digest('hex')
    this.id = digest.slice(0, 16)
  }

  seal(text: string, purpose: string): Sealed {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(purpose))
    const parts = [nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]
    return { keyId: this.id, sealed: Buffer.concat(parts).toString('base64') }
  }

  /** Throws what says no more than that it is not so sealed. */
  open({ sealed }: Sealed, purpose: string): string {
    const bytes = Buffer.from(sealed, 'base64')
    const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    })
    decipher.setAAD(Buffer.from(purpose)).setAuthTag(bytes.subarray(-TAG_BYTES))
    const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES))
    return Buffer.concat([text, decipher.final()]).toString('utf8')
  }
}

/** The key in a file, made at first start, mode 0600. Throws `CLOUD_SECRETS_KEY_DAMAGED`. */
export async function openSecretsKey(path: string): Promise<SecretsKey> {
  let text: string
  try {
    text = (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error
    text = randomBytes(KEY_BYTES).toString('base64')
    await writeFileAtomic(path, `${text}\n`)
  }
  const key = Buffer.from(text, 'base64')
  if (key.length === KEY_BYTES && key.toString('base64') === text) return new SecretsKey(path, key)
  throw new MokaError(
    'CLOUD_SECRETS_KEY_DAMAGED',
    `cannot use the key of the secrets in "${path}": it is not ${KEY_BYTES} bytes in base64`,
    {
      hint: 'put it back from a backup; or remove the file for a new key, and set every secret again',
    },
  )
}
