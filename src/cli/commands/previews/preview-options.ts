import { randomBytes } from 'node:crypto'
import { InvalidArgumentError } from 'commander'
import type { PreviewRequest } from '../../../control/previews/previews-api.ts'

/** The options of `moka deploy` that are about a preview. */
export interface PreviewOptions {
  preview?: string
  /** True: one is to be made. */
  password?: string | true
  database?: 'empty' | 'copy'
  /** Milliseconds. */
  expires?: number
}

const UNIT_MS = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 } as const

/** `90m`, `12h`, `3d`, `2w` in milliseconds. */
export function parseLifetime(text: string): number {
  const [, count, unit] = /^([1-9]\d{0,5})([mhdw])$/.exec(text) ?? []
  if (count !== undefined) return Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS]
  throw new InvalidArgumentError('a time is a number with m, h, d or w, such as 3d.')
}

/** What is asked of the cloud; undefined for a deploy that goes live. */
export function readPreviewOptions(options: PreviewOptions): PreviewRequest | undefined {
  const { preview, password, database, expires } = options
  if (preview === undefined) return undefined
  return {
    name: preview,
    ...(password === undefined ? {} : { password: password === true ? newPassword() : password }),
    ...(database === undefined ? {} : { database }),
    ...(expires === undefined ? {} : { lifetimeMs: expires }),
  }
}

/** 96 bits, in letters and digits that go through every shell and chat. */
function newPassword(): string {
  return randomBytes(12).toString('hex')
}
