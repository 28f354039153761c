import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { readFile } from 'node:fs/promises'
import * as v from 'valibot'
import { writeFileAtomic } from '../shared/atomic-file.ts'
import { MokaError, systemErrorCode } from '../shared/errors.ts'
import type { ReleaseManifest } from './manifest.ts'

/** What a live site says of its release to everybody: no paths, names or settings are in it. */
export interface ReleaseStatement {
  project: string
  release: string
  manifestSha256: string
  /** RFC 3339. */
  createdAt: string
  files: number
  commit?: string
  isDirty?: boolean
  builder?: string
  lockSha256?: string
  /** Ed25519, SPKI in DER, base64; of the cloud that released it. */
  publicKey: string
  /** Of all the above, base64: see {@link signedText}. */
  signature: string
}

const statementSchema = v.object({
  project: v.string(),
  release: v.string(),
  manifestSha256: v.string(),
  createdAt: v.string(),
  files: v.number(),
  commit: v.exactOptional(v.string()),
  isDirty: v.exactOptional(v.boolean()),
  builder: v.exactOptional(v.string()),
  lockSha256: v.exactOptional(v.string()),
  publicKey: v.string(),
  signature: v.string(),
})

/** Signs releases with the cloud's own key. */
export interface ReleaseSigner {
  readonly publicKey: string
  sign(manifest: ReleaseManifest, manifestSha256: string): ReleaseStatement
}

/** Reads the key at `path`, or makes it: mode 0600. Throws `RELEASES_KEY_DAMAGED`. */
export async function openReleaseSigner(path: string): Promise<ReleaseSigner> {
  let pem: string
  try {
    pem = await readFile(path, 'utf8')
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error
    pem = makeSigningKey()
    await writeFileAtomic(path, pem)
  }
  return createReleaseSigner(pem, path)
}

/** A new key, in PEM. */
export function makeSigningKey(): string {
  const { privateKey } = generateKeyPairSync('ed25519')
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** Signs with a key that is kept in `path`. Throws `RELEASES_KEY_DAMAGED`. */
export function createReleaseSigner(pem: string, path: string): ReleaseSigner {
  const key = readKey(pem, path)
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' }).toString('base64')
  return {
    publicKey,
    sign(manifest, manifestSha256) {
      const { commit, isDirty, builder, lockSha256 } = manifest.source
      const statement = {
        project: manifest.project,
        release: manifest.id,
        manifestSha256,
        createdAt: new Date(manifest.createdMs).toISOString(),
        files: Object.keys(manifest.files).length,
        ...(commit === undefined ? {} : { commit }),
        ...(isDirty === undefined ? {} : { isDirty }),
        ...(builder === undefined ? {} : { builder }),
        ...(lockSha256 === undefined ? {} : { lockSha256 }),
        publicKey,
      }
      const signature = sign(null, Buffer.from(signedText(statement)), key).toString('base64')
      return { ...statement, signature }
    },
  }
}

/** Reads what a site says of its release. Undefined where it is no such statement. */
export function parseStatement(input: unknown): ReleaseStatement | undefined {
  const result = v.safeParse(statementSchema, input)
  return result.success ? result.output : undefined
}

/** Whether a statement was signed by the key that it names. */
export function isSigned({ signature, ...statement }: ReleaseStatement): boolean {
  try {
    const key = {
      key: Buffer.from(statement.publicKey, 'base64'),
      format: 'der',
      type: 'spki',
    } as const
    const publicKey = createPublicKey(key)
    if (publicKey.asymmetricKeyType !== 'ed25519') return false
    const bytes = Buffer.from(signature, 'base64')
    return verify(null, Buffer.from(signedText(statement)), publicKey, bytes)
  } catch {
    return false
  }
}

/** The statement's fields but the signature, as JSON with sorted names; after a line that says what it is. */
function signedText(statement: Omit<ReleaseStatement, 'signature'>): string {
  const sorted = Object.entries(statement).sort(([a], [b]) => (a < b ? -1 : 1))
  return `mokapot release v1\n${JSON.stringify(Object.fromEntries(sorted))}`
}

function readKey(pem: string, path: string): KeyObject {
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {}
  throw new MokaError('RELEASES_KEY_DAMAGED', `cannot use the signing key in "${path}"`, {
    hint: 'restore it from a backup; or remove it, and a new key signs releases from then on',
  })
}
