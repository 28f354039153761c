import { readFile, stat } from 'node:fs/promises'
import { MokaError, systemErrorCode } from '../../shared/errors.ts'
import {
  type CertificateFacts,
  type CertificatePem,
  findRefusal,
  findWarnings,
  parseChain,
  readCertificate,
} from './certificate.ts'
import { normaliseHost } from './host-names.ts'

export interface CertificateFiles {
  /** PEM: the server's certificate first, then the intermediates ("fullchain.pem"). */
  certificatePath: string
  /** PEM: its private key, not encrypted. May be the same file. */
  keyPath: string
}

export interface LoadedCertificate {
  pem: CertificatePem
  facts: CertificateFacts
  /** For people: key file open to others, no intermediates, soon to expire. */
  warnings: readonly string[]
}

/** A certificate from an authority that renews by itself never has less left. */
const WARN_BEFORE_EXPIRY_MS = 14 * 86_400_000

/**
 * Reads a certificate and its key from files and refuses, with a MokaError that says why, what
 * clients would refuse: expired, not yet valid, not for one of `hosts`, not the key's.
 */
export async function loadCertificate(
  files: CertificateFiles,
  hosts: readonly string[],
  now: number,
): Promise<LoadedCertificate> {
  const { certificatePath, keyPath } = files
  const chain = await readText('certificate', certificatePath)
  const pem = { chain, key: await readText('key', keyPath) }
  const facts = readCertificate(pem, certificatePath)
  const refusal = findRefusal(facts, hosts.map(normaliseHost), certificatePath, now)
  if (refusal !== undefined) throw refusal

  const warnings = findWarnings(parseChain(chain)).map(text => `"${certificatePath}": ${text}`)
  const mode = (await stat(keyPath)).mode & 0o777
  if ((mode & 0o077) !== 0 && process.platform !== 'win32') {
    warnings.push(`"${keyPath}" is open to other users (mode ${mode.toString(8)}): chmod 600 it`)
  }
  if (facts.notAfterMs - now < WARN_BEFORE_EXPIRY_MS) {
    const days = Math.floor((facts.notAfterMs - now) / 86_400_000)
    warnings.push(`"${certificatePath}" expires in ${days} ${days === 1 ? 'day' : 'days'}`)
  }
  return { pem, facts, warnings }
}

async function readText(what: 'certificate' | 'key', path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const code = systemErrorCode(error)
    const part = `TLS_${what.toUpperCase()}`
    if (code === 'ENOENT') {
      const hint = 'check the path, which is relative to where the program was started'
      throw new MokaError(
        `${part}_MISSING`,
        `cannot read ${what} "${path}": there is no such file`,
        {
          hint,
          cause: error,
        },
      )
    }
    throw new MokaError(`${part}_UNREADABLE`, `cannot read ${what} "${path}": ${code ?? error}`, {
      hint: 'let the user that Mokapot runs as read it',
      cause: error,
    })
  }
}
