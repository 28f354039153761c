import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import type { EdgeRelease } from '../../release.ts'
import type { RequestSignature } from './request-signature.ts'

type Keys = ReadonlyMap<string, KeyObject>

/** The public keys of releases, each read once. */
export class SigningKeys {
  readonly #known = new WeakMap<EdgeRelease, Keys>()

  /** What keeps signatures of a release from being checked, one line each. */
  problemsOf(release: EdgeRelease): string[] {
    const problems = Object.entries(release.signingKeys ?? {}).flatMap(([name, pem]) => {
      const problem = problemOf(pem)
      return problem === undefined ? [] : [`signing key "${name}": ${problem}`]
    })
    for (const { pattern, signedBy = [] } of release.behaviors ?? []) {
      for (const name of signedBy) {
        if (!Object.hasOwn(release.signingKeys ?? {}, name)) {
          problems.push(`${pattern}: there is no signing key "${name}"`)
        }
      }
    }
    return problems
  }

  /**
   * Whether one of these keys signed the text. An unknown key costs as much time as one that did
   * not sign it.
   */
  hasSigned(
    release: EdgeRelease,
    allowed: readonly string[],
    text: Uint8Array,
    { keyName, hash, signature }: RequestSignature,
  ): boolean {
    const keys = this.#keysOf(release)
    const isAllowed = allowed.includes(keyName)
    const key = keys.get(isAllowed ? keyName : (allowed[0] ?? ''))
    if (key === undefined) return false
    try {
      return verify(hash, text, key, signature) && isAllowed
    } catch {
      return false
    }
  }

  #keysOf(release: EdgeRelease): Keys {
    let keys = this.#known.get(release)
    if (keys === undefined) {
      const entries = Object.entries(release.signingKeys ?? {})
      const sound = entries.filter(([, pem]) => problemOf(pem) === undefined)
      keys = new Map(sound.map(([name, pem]) => [name, createPublicKey(pem)]))
      this.#known.set(release, keys)
    }
    return keys
  }
}

function problemOf(pem: string): string | undefined {
  let key: KeyObject
  try {
    key = createPublicKey(pem)
  } catch {
    return 'it is no public key in PEM'
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= 2048) return undefined
  if (type === 'ec' && details?.namedCurve === 'prime256v1') return undefined
  return 'it has to be RSA with 2048 bits or more, or ECDSA on P-256'
}
