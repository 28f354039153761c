/** Record types, and the question types that are not records (IANA DNS parameters). */
export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  DS: 43,
  TKEY: 249,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  MAILB: 253,
  MAILA: 254,
  ANY: 255,
  CAA: 257,
} as const

export const CLASS = { IN: 1, CH: 3, NONE: 254, ANY: 255 } as const

export const OPCODE = { QUERY: 0, STATUS: 2, NOTIFY: 4, UPDATE: 5 } as const

export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  /** Needs an OPT record to carry its upper bits (RFC 6891 §9). */
  BADVERS: 16,
} as const

/** The second 16 bits of the header, less opcode and rcode (RFC 1035 §4.1.1, RFC 4035 §3). */
export const FLAG = {
  QR: 0x8000,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  RA: 0x0080,
  AD: 0x0020,
  CD: 0x0010,
} as const

export const OPCODE_MASK = 0x7800
export const HEADER_OCTETS = 12

const NAMES = new Map<number, string>(Object.entries(TYPE).map(([name, code]) => [code, name]))

/** `'MX'`, or `'TYPE65280'` where the type has no name here (RFC 3597 §5). */
export function formatType(code: number): string {
  return NAMES.get(code) ?? `TYPE${code}`
}
