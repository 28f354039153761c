import type { LiveRelease } from '../cloud-api.ts'

/**
 * The previews of a cloud's projects: releases that are shown beside the live one. Each may be named
 * by its branch: `feature/menu` is the preview `feature-menu`.
 */
export interface PreviewsApi {
  /** In order of their names. */
  list(project: string): Promise<ListedPreview[]>
  /** The release that a preview shows; undefined where there is no such preview. */
  shown(project: string, name: string): Promise<LiveRelease | undefined>
  /** With its database; its release goes after a day. */
  remove(project: string, name: string): Promise<void>
}

export interface ListedPreview {
  name: string
  release: string
  url: string
  /** On the cloud's own machine. */
  localUrl: string
  createdMs: number
  /** When it was last deployed. */
  deployedMs: number
  expiresMs: number
  /** It wants a password. */
  isLocked: boolean
  /** Its own; absent where the project has none. */
  database?: 'empty' | 'copy'
  commit?: string
  branch?: string
}

/** What a deploy asks for to be shown as a preview, in place of going live. */
export interface PreviewRequest {
  name: string
  /** How long it is to stay from now on, in milliseconds. Default: 7 days. */
  lifetimeMs?: number
  /** Default: as it was. */
  password?: string
  /** Default: as it was, or an empty one. */
  database?: 'empty' | 'copy'
}
