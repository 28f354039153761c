import type { InvalidationJournal } from '../../edge/cache/disk/disk-store.ts'
import type { AccessLogFormat } from '../../edge/logs/open-traffic-log.ts'
import type { RateDecision } from '../../http/rate-limits/rate-limit.ts'
import type { Challenge } from '../../tls/acme/challenges.ts'
import type { TlsMaterial } from '../../tls/certificates/sni-contexts.ts'
import type { WorkerStats } from '../metrics/worker-stats.ts'
import type { InheritedSockets } from './worker-runtime.ts'

/** What one edge worker serves of one project: hashes only; it reads the manifests itself. */
export interface SiteMessage {
  /** Or the key of a preview: see `previewKey`. */
  project: string
  hosts: string[]
  manifestSha256: string
  /** What everybody may know of it, as JSON. */
  statement?: string
  /** Releases of the last day, newest first. */
  retained: string[]
  /** The release that goes live in a moment: its hashed assets answer already. */
  next?: string
  /** It is none that is live. */
  preview?: { name: string; passwordHash?: string }
  /** Switched off: nobody gets anything. */
  isDisabled?: true
}

/** What a worker is started with. */
export interface WorkerSettings {
  edgeId: string
  blobDirectory: string
  functionsSocket: string
  /** Takes webhooks; absent where nobody does. */
  hooksSocket?: string
  host: string
  port: number
  /** Sockets that the process was started with, to listen on in place of the ports. */
  sockets?: InheritedSockets
  trustedProxies: string[]
  /** Nobody but this machine is to be answered. */
  isLocal?: boolean
  /** Where each worker has a folder of its own for what its memory has no room for. */
  cacheDirectory: string
  accessLog: { directory: string; format: AccessLogFormat }
  /** Absent: no HTTPS. */
  https?: {
    port: number
    /** Sends visitors of hosts that have a certificate from HTTP to HTTPS. */
    isRedirecting: boolean
  }
}

/** What HTTPS is served with, and what an ACME authority is to be told. */
export interface CertificateMessage {
  material: TlsMaterial
  challenges: readonly Challenge[]
}

/** From the supervisor to a worker. `id` comes back in the answer. */
export type WorkerRequest =
  | {
      id: number
      kind: 'start'
      settings: WorkerSettings
      sites: SiteMessage[]
      /** What was invalidated while this worker was not there. */
      journal: InvalidationJournal
      certificates?: CertificateMessage
    }
  | { id: number; kind: 'certificates'; certificates: CertificateMessage }
  | {
      id: number
      kind: 'sites'
      sites: SiteMessage[]
      /** What of which project to drop once the sites are in place. */
      invalidate?: { project: string; patterns: string[]; sequence: number }
    }
  | {
      id: number
      kind: 'invalidate'
      project: string
      patterns: string[]
      tags: string[]
      /** In the journal. */
      sequence: number
    }
  | { id: number; kind: 'stats' }
  /**
   * Finish what is under way, answer what comes on idle connections within that time, and end.
   * Answered once no new request is taken any more.
   */
  | { id: number; kind: 'stop'; idleGraceMs: number }

/** From a worker, unasked: it listens to requests now; a blob on the disk is not what it should be. */
export type WorkerNotice = { kind: 'ready' } | { kind: 'damaged'; sha256: string }

/** From a worker: may one more request by `key` be answered? */
export interface RateQuestion {
  kind: 'rate'
  question: number
  key: string
  count: number
  periodSeconds: number
}

/** To the worker that put the question. */
export interface RateAnswer {
  kind: 'rate'
  question: number
  decision: RateDecision
}

/** From a worker: done, with what was asked for; or why not. */
export type WorkerAnswer =
  | {
      id: number
      kind: 'done'
      /** The port it listens on. */
      port?: number
      /** Manifest hash by project, as served from now on. */
      serving?: Record<string, string>
      dropped?: number
      stats?: WorkerStats
    }
  | { id: number; kind: 'failed'; code: string; message: string; hint?: string }
