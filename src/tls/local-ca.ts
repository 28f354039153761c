import { createPrivateKey, createPublicKey, randomBytes, X509Certificate } from 'node:crypto'
import { link, mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../shared/atomic-file.ts'
import type { Clock } from '../shared/clock.ts'
import { MokaError, systemErrorCode } from '../shared/errors.ts'
import { type CertificatePem, factsOf, parseChain } from './certificates/certificate.ts'
import { normaliseHost } from './certificates/host-names.ts'
import {
  createAuthorityCertificate,
  createKey,
  createServerCertificate,
  formatKey,
} from './x509/certificate.ts'
import { readCertificateParts } from './x509/der-reader.ts'

/** An authority for this machine alone, so that HTTPS works in development. */
export interface LocalCa {
  /** The file that a browser or `curl --cacert` is given. */
  readonly certificatePath: string
  /** The same as text. */
  readonly certificate: string
  /**
   * A certificate for hosts and addresses. The one made before, while it has time left and is for
   * exactly these; otherwise a new one, with a new key.
   */
  certificateFor(names: readonly string[]): Promise<CertificatePem>
}

const DAY_MS = 86_400_000
const AUTHORITY_DAYS = 3650
/** Apple's platforms refuse more than 825 days even from authorities that the user added. */
const SERVER_DAYS = 397
/** The remaining time at which a certificate is made anew. */
const RENEW_DAYS = 30
/** Clocks of virtual machines and containers differ. */
const BACKDATED_MS = 3_600_000

/**
 * Opens the authority kept in `directory` (mode 0700), making it when there is none. Two processes
 * that do so at once end up with the same one.
 */
export async function openLocalCa(options: { directory: string; clock: Clock }): Promise<LocalCa> {
  const { directory, clock } = options
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const certificatePath = join(directory, 'ca.pem')
  const key = readKey(
    await createOnce(join(directory, 'ca-key.pem'), () => formatKey(createKey()), 0o600),
    directory,
  )
  const certificate = await openAuthority(certificatePath, key, clock.now())
  const authority = new X509Certificate(certificate)
  const issuer = { name: readCertificateParts(authority.raw).subject, key }

  const serverPath = join(directory, 'server.pem')
  return {
    certificatePath,
    certificate,
    async certificateFor(names) {
      const wanted = [...new Set(names.map(normaliseHost))]
      const now = clock.now()
      const kept = await readKept(serverPath, wanted, authority, now)
      if (kept !== undefined) return kept
      const serverKey = createKey()
      const notAfterMs = Math.min(now + SERVER_DAYS * DAY_MS, Date.parse(authority.validTo))
      const validity = { notBeforeMs: now - BACKDATED_MS, notAfterMs }
      const publicKey = createPublicKey(serverKey)
      const chain = createServerCertificate({ names: wanted, publicKey, issuer, ...validity })
      const made = { chain, key: formatKey(serverKey) }
      // One file, so that a certificate is never read with another one's key.
      await writeFileAtomic(serverPath, made.chain + made.key)
      return made
    },
  }
}

/** Hosts that a project is reached by in development, in the order in which they are tried. */
export function localHosts(options: { project?: string; domain?: string }): string[] {
  const { project, domain } = options
  return [
    ...(domain === undefined ? [] : [domain, `www.${domain}`]),
    // Many clients take no wildcard that stands right below a top-level name, so it is spelled out.
    ...(project === undefined ? [] : [`${project}.localhost`]),
    'localhost',
    '*.localhost',
    '127.0.0.1',
    '::1',
  ]
}

function readKey(pem: string, directory: string) {
  try {
    return createPrivateKey(pem)
  } catch (error) {
    throw new MokaError(
      'TLS_LOCAL_CA_DAMAGED',
      `cannot open the local authority in "${directory}": its key cannot be read`,
      { hint: `remove "${directory}"; a new one is made, to be trusted anew`, cause: error },
    )
  }
}

async function openAuthority(
  path: string,
  key: ReturnType<typeof createKey>,
  now: number,
): Promise<string> {
  const make = () =>
    createAuthorityCertificate({
      // People with several should be able to tell them apart in a browser's list.
      commonName: `Mokapot local authority ${randomBytes(3).toString('hex')}`,
      key,
      notBeforeMs: now - BACKDATED_MS,
      notAfterMs: now + AUTHORITY_DAYS * DAY_MS,
    })
  const kept = await createOnce(path, make, 0o644)
  if (isAuthorityOf(kept, key, now)) return kept
  const made = make()
  await writeFileAtomic(path, made, 0o644)
  return made
}

function isAuthorityOf(pem: string, key: ReturnType<typeof createKey>, now: number): boolean {
  try {
    const certificate = new X509Certificate(pem)
    const leftMs = Date.parse(certificate.validTo) - now
    return certificate.verify(createPublicKey(key)) && leftMs > RENEW_DAYS * DAY_MS
  } catch {
    return false
  }
}

/** The certificate of last time, if it still serves. */
async function readKept(
  path: string,
  names: readonly string[],
  authority: X509Certificate,
  now: number,
): Promise<CertificatePem | undefined> {
  try {
    const text = await readFile(path, 'utf8')
    const [leaf] = parseChain(text)
    if (leaf === undefined || !leaf.checkPrivateKey(createPrivateKey(text))) return undefined
    // The key alone is not enough: a renewed authority may have another name.
    if (!leaf.verify(authority.publicKey) || !leaf.checkIssued(authority)) return undefined
    const facts = factsOf(leaf, 1)
    const sorted = (list: readonly string[]) => list.map(normaliseHost).sort().join()
    const isCurrent = facts.notAfterMs - now > RENEW_DAYS * DAY_MS && facts.notBeforeMs <= now
    if (!isCurrent || sorted(facts.names) !== sorted(names)) return undefined
    return { chain: leaf.toString(), key: text.slice(text.indexOf('-----BEGIN PRIVATE')) }
  } catch {
    return undefined
  }
}

/** The file's content. Where there is no file it is made, whole, by exactly one of those who try. */
async function createOnce(path: string, make: () => string, mode: number): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error
  }
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  const file = await open(temporary, 'wx', mode)
  try {
    await file.writeFile(make())
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    await link(temporary, path)
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') throw error
  } finally {
    await rm(temporary, { force: true })
  }
  return await readFile(path, 'utf8')
}
