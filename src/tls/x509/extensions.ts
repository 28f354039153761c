import { createHash, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import {
  bitString,
  boolean,
  explicit,
  implicit,
  integer,
  objectIdentifier,
  octetString,
  sequence,
} from './der.ts'
import { readElements } from './der-reader.ts'

/** RFC 5280 §4.2: identifier, whether a reader that does not know it must refuse, value. */
function extension(identifier: string, isCritical: boolean, value: Uint8Array): Buffer {
  const critical = isCritical ? [boolean(true)] : []
  return sequence(objectIdentifier(identifier), ...critical, octetString(value))
}

/** An authority that signs certificates of servers, and no other authorities. */
export const authorityConstraints = () =>
  extension('2.5.29.19', true, sequence(boolean(true), integer(0)))

export const noAuthority = () => extension('2.5.29.19', true, sequence())

/** keyCertSign and cRLSign (RFC 5280 §4.2.1.3: bits 5 and 6). */
export const authorityKeyUsage = () =>
  extension('2.5.29.15', true, bitString(Buffer.from([0b0000_0110]), 1))

/** digitalSignature: all that an elliptic key does in TLS. */
export const serverKeyUsage = () =>
  extension('2.5.29.15', true, bitString(Buffer.from([0b1000_0000]), 7))

export const serverAuthentication = () =>
  extension('2.5.29.37', false, sequence(objectIdentifier('1.3.6.1.5.5.7.3.1')))

export const subjectKeyId = (key: KeyObject) =>
  extension('2.5.29.14', false, octetString(keyIdentifier(key)))

export const authorityKeyId = (key: KeyObject) =>
  extension('2.5.29.35', false, sequence(implicit(0, keyIdentifier(key))))

/** Hosts that the certificate is for. Critical where the subject is empty (RFC 5280 §4.2.1.6). */
export function subjectAltNames(names: readonly string[], isCritical = false): Buffer {
  const encoded = names.map(name =>
    isIP(name) === 0 ? implicit(2, Buffer.from(name, 'latin1')) : implicit(7, addressOctets(name)),
  )
  return extension('2.5.29.17', isCritical, sequence(...encoded))
}

/** The digest that proves a TLS-ALPN-01 challenge (RFC 8737 §3). */
export const acmeIdentifier = (digest: Uint8Array) =>
  extension('1.3.6.1.5.5.7.1.31', true, octetString(digest))

export const extensionList = (extensions: readonly Uint8Array[]) => sequence(...extensions)
export const certificateExtensions = (extensions: readonly Uint8Array[]) =>
  explicit(3, extensionList(extensions))

/** SHA-1 of the key's own bits (RFC 5280 §4.2.1.2, method 1): a name, not a protection. */
function keyIdentifier(key: KeyObject): Buffer {
  const [info] = readElements(key.export({ type: 'spki', format: 'der' }))
  const bits = readElements(info!.content)[1]!.content.subarray(1)
  return createHash('sha1').update(bits).digest()
}

function addressOctets(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number))
  // The URL parser writes every form as groups of hexadecimal digits, with one `::` at most.
  const groups = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [head = '', tail] = groups.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array<string>(8 - before.length - after.length).fill('0')
  const all = [...before, ...zeros, ...after]
  return Buffer.from(all.map(group => group.padStart(4, '0')).join(''), 'hex')
}
