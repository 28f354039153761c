import { createHash, createPrivateKey, type KeyObject } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../../shared/atomic-file.ts'
import { MokaError, systemErrorCode } from '../../shared/errors.ts'
import type { CertificatePem } from '../certificates/certificate.ts'
import { createKey, formatKey } from '../x509/certificate.ts'

/** What is kept of one certificate: itself, and what is known of getting the next. */
export interface StoredCertificate {
  pem?: CertificatePem
  /** The names that it was asked for. */
  names: readonly string[]
  /** The directory URL of who issued it. */
  authority?: string
  suggestedMs?: number
  consultAtMs?: number
  failures: number
  retryAtMs?: number
  /** Why the last attempt failed, in words. */
  lastError?: string
}

export interface AcmeStore {
  /** The account's key at an authority, made at first use. */
  accountKey(authority: string): Promise<KeyObject>
  /** Undefined where there is none, or what is there is damaged: then a new one is due. */
  read(domain: string): Promise<StoredCertificate | undefined>
  write(domain: string, stored: StoredCertificate): Promise<void>
}

/** Keeps keys and certificates in a folder, readable by its owner alone. */
export async function openAcmeStore(directory: string): Promise<AcmeStore> {
  const certificates = join(directory, 'certificates')
  await mkdir(certificates, { recursive: true, mode: 0o700 })
  const fileOf = (domain: string) => join(certificates, `${domain.replace('*', '_')}.json`)
  // Orders that begin at once have one account between them.
  const keys = new Map<string, Promise<KeyObject>>()
  return {
    accountKey(authority) {
      const id = createHash('sha256').update(authority).digest('hex').slice(0, 16)
      const path = join(directory, `account-${id}.pem`)
      const key = keys.get(path) ?? openKey(path)
      keys.set(path, key)
      key.catch(() => keys.delete(path))
      return key
    },
    async read(domain) {
      const text = await readIfThere(fileOf(domain))
      if (text === undefined) return undefined
      try {
        const value: unknown = JSON.parse(text)
        return isStored(value) ? value : undefined
      } catch {
        return undefined
      }
    },
    async write(domain, stored) {
      await writeFileAtomic(fileOf(domain), `${JSON.stringify(stored, null, 2)}\n`, 0o600)
    },
  }
}

async function openKey(path: string): Promise<KeyObject> {
  const kept = await readIfThere(path)
  if (kept === undefined) {
    const key = createKey()
    await writeFileAtomic(path, formatKey(key), 0o600)
    return key
  }
  try {
    return createPrivateKey(kept)
  } catch (error) {
    throw new MokaError(
      'TLS_ACME_ACCOUNT_DAMAGED',
      `cannot read the account key "${path}": it is no PEM private key`,
      { hint: 'restore it, or remove it to register a new account', cause: error },
    )
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

function isStored(value: unknown): value is StoredCertificate {
  if (typeof value !== 'object' || value === null) return false
  const { names, failures } = value as Partial<StoredCertificate>
  return Array.isArray(names) && typeof failures === 'number'
}
