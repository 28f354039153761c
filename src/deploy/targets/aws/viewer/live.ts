import { MokaError } from '../../../../shared/errors.ts'
import { saltedHash } from './path-index.ts'
import {
  bytesOf,
  headKey,
  MAX_VALUE_BYTES,
  piecesOf,
  previewKeyOf,
  previewRoutesKey,
  type Section,
  sectionKey,
  shardKey,
} from './store.ts'

/**
 * What the viewer functions need to read a release's keys. The names are short because `live` has
 * those of several releases in 1,024 bytes.
 */
export interface ReleaseHead {
  /** Id: `r-42`. */
  i: string
  /** Salt of its hashes. */
  s: string
  /** Shards of the path index. */
  n: number
  /** Id of the release in whose folder `/404.html` lies. */
  e?: string
  /** Values of redirects by path, and by pattern. */
  x: number
  c: number
  /** 1 where a redirect is forced: redirects are then read before files are looked for. */
  f: 0 | 1
  /** Values of header rules, of locks, of the statement. */
  h: number
  l: number
  m: number
  /** Strict-Transport-Security. */
  t?: string
}

/** A preview's head: with a hash of its password, where it has one. */
export interface PreviewHead extends ReleaseHead {
  w?: string
}

export interface Live {
  release: ReleaseHead
  /**
   * Whose immutable files old tabs may still ask for, newest first. The first stands in where the
   * keys of the live release are not there yet.
   */
  retained: readonly ReleaseHead[]
}

/** Each costs a read of every request that finds no file. */
export const MAX_RETAINED = 4

/** The value of `live`, or of a preview. More retained releases than fit are left out. */
export function formatLive({ release, retained }: Live): string {
  const kept = retained.slice(0, MAX_RETAINED)
  for (;;) {
    const text = JSON.stringify({ r: release, p: kept })
    if (bytesOf(text) <= MAX_VALUE_BYTES || kept.length === 0) return text
    kept.pop()
  }
}

/** What a preview has besides files. */
export interface PreviewBackend {
  /** Of its functions: each has one of this name, which nobody can guess. */
  alias: string
  functions: readonly RoutedFunction[]
}

export interface RoutedFunction {
  /** As Lambda calls it. */
  lambda: string
  routes: readonly string[]
  /** The live one is asked by a URL of its own. */
  hasUrl: boolean
}

export interface PreviewSettings {
  /** Kept as a hash. */
  password?: string | undefined
  backend?: PreviewBackend | undefined
  /** Of its own, as PostgreSQL calls it. */
  database?: string | undefined
}

/** The keys of a preview: its value, and beside it which function has which route. */
export function previewEntries(
  name: string,
  head: ReleaseHead,
  { password, backend, database }: PreviewSettings,
): Map<string, string> {
  const locked = password === undefined ? {} : { w: saltedHash(head.s, password) }
  const pieces = backend === undefined ? [] : piecesOf(JSON.stringify(routeTable(backend)))
  const value = JSON.stringify({
    r: { ...head, ...locked },
    p: [],
    ...(backend && { f: { a: backend.alias, n: pieces.length } }),
    ...(database !== undefined && { d: database }),
  })
  return new Map([
    ...pieces.map((piece, index): [string, string] => [previewRoutesKey(name, index), piece]),
    [previewKeyOf(name), value],
  ])
}

/** Exact routes first, then the longest: the first that has a path is the function's, as at home. */
function routeTable({ functions }: PreviewBackend): [string, string, ...1[]][] {
  const rows = functions.flatMap(({ lambda, routes, hasUrl }) =>
    routes.map((route): [string, string, ...1[]] =>
      hasUrl ? [route, lambda, 1] : [route, lambda],
    ),
  )
  const rank = ([route]: readonly [string, ...unknown[]]) =>
    route.endsWith('/*') ? -route.length : Number.NEGATIVE_INFINITY
  return rows.sort((a, b) => rank(a) - rank(b) || (a[0] < b[0] ? -1 : 1))
}

/** What a preview's value says of its functions and its database, and its keys. */
export function parsePreview(name: string, text: string) {
  const { f, d } = JSON.parse(text) as { f?: { a: string; n: number }; d?: string }
  const routes = Array.from({ length: f?.n ?? 0 }, (_, index) => previewRoutesKey(name, index))
  return { alias: f?.a, database: d, keys: [previewKeyOf(name), ...routes] }
}

/** Reads the value of `live` or a preview. Throws `AWS_LIVE_UNREADABLE`. */
export function parseLive(text: string): {
  release: PreviewHead
  retained: readonly Pick<ReleaseHead, 'i' | 's' | 'n'>[]
} {
  try {
    const { r, p } = JSON.parse(text) as { r: PreviewHead; p: ReleaseHead[] }
    if (typeof r.i === 'string' && typeof r.n === 'number' && Array.isArray(p)) {
      return { release: r, retained: p }
    }
  } catch {}
  throw new MokaError(
    'AWS_LIVE_UNREADABLE',
    'cannot read which release is live: the value of "live" in the KeyValueStore is none of ours',
    { hint: 'deploy with the version of moka that was used last, or delete the key "live"' },
  )
}

/** The value of a release's head, to be stored beside it, and back. */
export const formatHead = (head: ReleaseHead) => JSON.stringify(head)
export const parseHead = (text: string) => JSON.parse(text) as ReleaseHead

/** Every key of a release: what to delete when it goes. */
export function retiredKeys(head: ReleaseHead): string[] {
  const range = (count: number, key: (part: number) => string) =>
    Array.from({ length: count }, (_, part) => key(part))
  const sections: [Section, number][] = [
    ['x', head.x],
    ['c', head.c],
    ['h', head.h],
    ['l', head.l],
    ['m', head.m],
  ]
  return [
    headKey(head.i),
    ...range(head.n, shard => shardKey(head.i, shard)),
    ...sections.flatMap(([section, count]) =>
      range(count, part => sectionKey(head.i, section, part)),
    ),
  ]
}
