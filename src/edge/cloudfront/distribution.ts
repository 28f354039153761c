import { createHash } from 'node:crypto'
import type { EdgeBehavior, EdgeOriginSettings } from '../behaviors/behavior.ts'

/** What a distribution is made of, in the edge's words. */
export interface DistributionSettings {
  isEnabled: boolean
  comment: string
  /** Said back and without effect: there is one place. */
  priceClass: string
  /** Said back and without effect: the machine's addresses decide. */
  isIpv6Enabled: boolean
  domain?: string
  origins: Readonly<Record<string, EdgeOriginSettings>>
  behaviors: readonly EdgeBehavior[]
}

/** A project of the cloud, as this door sees it. */
export interface Distribution extends DistributionSettings {
  project: string
  /** Another one whenever anything above is, in quotes nowhere. */
  etag: string
  callerReference: string
  modifiedMs: number
  /** Names of the public keys that signed URLs may be checked with. */
  signingKeys: readonly string[]
  /** Whether a path is one of the release's files. */
  hasFile(path: string): boolean
}

export interface InvalidationRecord {
  id: string
  callerReference: string
  createdMs: number
  /** As they were asked for: `/a/*`, `#tag`. */
  paths: readonly string[]
}

/** What this door needs of the cloud. Methods that change something resolve when it is in effect. */
export interface DistributionStore {
  list(): readonly Distribution[]
  /** Creates a project, without files, of that name. */
  create(
    project: string,
    callerReference: string,
    settings: DistributionSettings,
  ): Promise<Distribution>
  /** `changed`: its ETag is another one by now, and nothing was done. */
  update(
    project: string,
    etag: string,
    settings: DistributionSettings,
  ): Promise<{ kind: 'updated'; distribution: Distribution } | { kind: 'changed' }>
  /** Takes the project off the cloud. */
  remove(project: string, etag: string): Promise<{ kind: 'removed' } | { kind: 'changed' }>
  /** Newest first. */
  invalidations(project: string): Promise<readonly InvalidationRecord[]>
  /**
   * Forgets what the record names on every worker, then keeps the record, and resolves with it; or
   * with the one that was kept before under its CallerReference, and nothing is done.
   */
  invalidate(project: string, record: InvalidationRecord): Promise<InvalidationRecord>
}

/** `E` and 13 of A–Z and 0–9, as CloudFront's, of the project's name: the same on every machine. */
export function distributionId(project: string): string {
  return `E${digest(`distribution\0${project}`)}`
}

/** The name of a project that is made here: what is made twice with one reference is one. */
export function projectNameFor(callerReference: string): string {
  return `d${digest(`project\0${callerReference}`).toLowerCase()}`
}

export function invalidationId(project: string, callerReference: string, nowMs: number): string {
  return `I${digest(`invalidation\0${project}\0${callerReference}\0${nowMs}`)}`
}

export function etagOf(...parts: readonly string[]): string {
  return `E${digest(`etag\0${parts.join('\0')}`)}`
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
const DIGITS = 13 // 36 ** 13 is about 2 ** 67

function digest(text: string): string {
  let rest = BigInt(`0x${createHash('sha256').update(text).digest('hex')}`)
  let id = ''
  for (let i = 0; i < DIGITS; i++) {
    id += ALPHABET[Number(rest % 36n)]
    rest /= 36n
  }
  return id
}
