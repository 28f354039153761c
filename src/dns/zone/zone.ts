import type { RecordData } from '../wire/record-data.ts'

/** The records of one name, type and class: what a query is answered with, whole or not at all. */
export interface RecordSet {
  name: string
  type: number
  ttlSeconds: number
  data: readonly RecordData[]
}

/** A name that exists. Without record sets it is an empty non-terminal (RFC 4592 §2.2.2). */
export interface ZoneNode {
  name: string
  recordSets: ReadonlyMap<number, RecordSet>
}

/** A zone as it is served, checked and never changed: a new version is a new zone. */
export interface Zone {
  /** Absolute and in lower case, as are the keys of `nodes` and `delegations`. */
  readonly origin: string
  readonly serial: number
  readonly nodes: ReadonlyMap<string, ZoneNode>
  /** Names below the apex that have NS records: zone cuts. */
  readonly delegations: ReadonlySet<string>
  /** For negative answers, its TTL already lowered to MINIMUM (RFC 2308 §3). */
  readonly negativeSoa: RecordSet
  /** Sentences on what is served as written, and will most likely not work. */
  readonly warnings: readonly string[]
}
