import { MokaError } from '../../../../shared/errors.ts'
import { saltedHash } from './path-index.ts'
import { bytesOf, headKey, MAX_VALUE_BYTES, type Section, sectionKey, shardKey } from './store.ts'

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

export interface Live<Head extends ReleaseHead = ReleaseHead> {
  release: Head
  /**
   * Whose immutable files old tabs may still ask for, newest first. The first stands in where the
   * keys of the live release are not there yet.
   */
  retained: readonly ReleaseHead[]
}

/** Each costs a read of every request that finds no file. */
export const MAX_RETAINED = 4

/** The value of `live`, or of a preview. More retained releases than fit are left out. */
export function formatLive({ release, retained }: Live<PreviewHead>): string {
  const kept = retained.slice(0, MAX_RETAINED)
  for (;;) {
    const text = JSON.stringify({ r: release, p: kept })
    if (bytesOf(text) <= MAX_VALUE_BYTES || kept.length === 0) return text
    kept.pop()
  }
}

/** A preview's value; a password is kept as a hash. */
export function formatPreview(head: ReleaseHead, password?: string): string {
  const locked = password === undefined ? {} : { w: saltedHash(head.s, password) }
  return formatLive({ release: { ...head, ...locked }, retained: [] })
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
