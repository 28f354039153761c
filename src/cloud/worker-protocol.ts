/** What one edge worker serves of one project: hashes only; it reads the manifests itself. */
export interface SiteMessage {
  project: string
  hosts: string[]
  manifestSha256: string
  /** Releases of the last day, newest first. */
  retained: string[]
  /** The release that goes live in a moment: its hashed assets answer already. */
  next?: string
}

/** What a worker is started with. */
export interface WorkerSettings {
  edgeId: string
  blobDirectory: string
  functionsSocket: string
  host: string
  port: number
  trustedProxies: string[]
}

/** From the supervisor to a worker. `id` comes back in the answer. */
export type WorkerRequest =
  | { id: number; kind: 'start'; settings: WorkerSettings; sites: SiteMessage[] }
  | {
      id: number
      kind: 'sites'
      sites: SiteMessage[]
      /** What of which project to drop once the sites are in place. */
      invalidate?: { project: string; patterns: string[] }
    }
  | { id: number; kind: 'invalidate'; project: string; patterns: string[] }
  | { id: number; kind: 'stop' }

/** From a worker, unasked: it listens to requests now; a blob on the disk is not what it should be. */
export type WorkerNotice = { kind: 'ready' } | { kind: 'damaged'; sha256: string }

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
    }
  | { id: number; kind: 'failed'; code: string; message: string; hint?: string }
