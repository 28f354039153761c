/** One element: its tag, what it holds, and all its octets with tag and length. */
export interface DerElement {
  tag: number
  content: Buffer
  whole: Buffer
}

/** The elements that stand one after another. Throws RangeError when one does not fit. */
export function readElements(octets: Uint8Array): DerElement[] {
  const buffer = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength)
  const elements: DerElement[] = []
  for (let at = 0; at < buffer.length; ) {
    const element = readElement(buffer, at)
    elements.push(element)
    at += element.whole.length
  }
  return elements
}

function readElement(buffer: Buffer, at: number): DerElement {
  let length = buffer.readUInt8(at + 1)
  let start = at + 2
  if (length >= 0x80) {
    const size = length & 0x7f
    // Indefinite lengths are not DER; more than 4 octets are nothing that we could hold.
    if (size === 0 || size > 4) throw new RangeError('DER length out of range')
    length = buffer.readUIntBE(start, size)
    start += size
  }
  if (start + length > buffer.length) throw new RangeError('DER element is cut off')
  return {
    tag: buffer[at]!,
    content: buffer.subarray(start, start + length),
    whole: buffer.subarray(at, start + length),
  }
}

/** What Node's X509Certificate does not tell of a certificate. */
export interface CertificateParts {
  /** The serial number's octets as they stand there, a leading zero included. */
  serial: Buffer
  /** The subject's name, encoded: what the certificates that it signs say as issuer. */
  subject: Buffer
  /** Identifier of the key that signed it (RFC 5280 §4.2.1.1), where it says so. */
  authorityKeyId: Buffer | undefined
}

const AUTHORITY_KEY_ID = Buffer.from('551d23', 'hex')

/** Reads a certificate that Node has parsed before: it is known to be well-formed. */
export function readCertificateParts(der: Uint8Array): CertificateParts {
  const [certificate] = readElements(der)
  const [tbs] = readElements(certificate!.content)
  const fields = readElements(tbs!.content)
  // [0] version, serial, algorithm, issuer, validity, subject, public key, …, [3] extensions.
  const [, serial, , , , subject] = fields
  const extensions = fields.find(field => field.tag === 0xa3)
  return {
    serial: serial!.content,
    subject: subject!.whole,
    authorityKeyId: extensions === undefined ? undefined : readAuthorityKeyId(extensions.content),
  }
}

function readAuthorityKeyId(extensions: Buffer): Buffer | undefined {
  const [list] = readElements(extensions)
  for (const extension of readElements(list!.content)) {
    const parts = readElements(extension.content)
    if (!parts[0]!.content.equals(AUTHORITY_KEY_ID)) continue
    const [value] = readElements(parts.at(-1)!.content)
    return readElements(value!.content).find(field => field.tag === 0x80)?.content
  }
  return undefined
}
