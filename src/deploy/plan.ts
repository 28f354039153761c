import { isDeepStrictEqual } from 'node:util'
import type { ReleaseDraft } from '../releases/manifest.ts'
import { planEdge } from './plan-edge.ts'

export type ChangeKind = 'add' | 'change' | 'remove'

/** One difference between what is live and what is about to be, and why it is there. */
export interface Change {
  kind: ChangeKind
  subject:
    | 'file'
    | 'function'
    | 'redirects'
    | 'headers'
    | 'migration'
    | 'database'
    | 'dns'
    | 'domain'
    | 'origin'
    | 'behavior'
    | 'signing key'
    | 'hsts'
    | 'notifications'
    | 'setting'
  name: string
  reason: string
}

export interface Plan {
  /** The release the plan was made against; null when there is none. */
  base: string | null
  changes: Change[]
  files: { added: number; changed: number; removed: number; unchanged: number }
  /** What the project says and the cloud will not do, for people. */
  warnings: string[]
}

const MAX_SUMMARISED = 15

/** Mostly a folder that was moved or renamed. */
const EMPTIED = 'the site has no files any more; is its folder where site.directory says?'

/** Compares a release to be with the live one. Pure; files come in the order of their paths. */
export function makePlan(
  next: ReleaseDraft,
  live: { id: string; manifest: ReleaseDraft } | undefined,
  warnings: string[] = [],
): Plan {
  const before = live?.manifest
  const files = planFiles(next.files, before?.files ?? {})
  const changes = [
    ...files.changes,
    ...planFunctions(next.functions, before?.functions ?? {}),
    ...planEdge(next, before),
    ...planWhole('redirects', '_redirects', next.redirects, before?.redirects ?? []),
    ...planWhole('headers', '_headers', next.headers, before?.headers ?? []),
    ...planDatabase(next, before),
    ...planMigrations(next, before),
    ...planDns(next, before),
    ...planNotifications(next.notify ?? [], before?.notify ?? []),
    ...planKept(next.keepReleases, before?.keepReleases),
  ]
  const isEmptied = files.counts.removed > 0 && Object.keys(next.files).length === 0
  return {
    base: live?.id ?? null,
    changes,
    files: files.counts,
    warnings: isEmptied ? [...warnings, EMPTIED] : warnings,
  }
}

function planFiles(
  next: ReleaseDraft['files'],
  before: ReleaseDraft['files'],
): { changes: Change[]; counts: Plan['files'] } {
  const changes: Change[] = []
  const counts = { added: 0, changed: 0, removed: 0, unchanged: 0 }
  const add = (kind: ChangeKind, path: string, reason: string) =>
    changes.push({ kind, subject: 'file', name: path, reason })
  for (const [path, file] of Object.entries(next)) {
    const old = before[path]
    if (old === undefined) {
      counts.added++
      add('add', path, 'new file')
    } else if (old.sha256 !== file.sha256) {
      counts.changed++
      add('change', path, 'content differs')
    } else if (old.type !== file.type || old.immutable !== file.immutable) {
      counts.changed++
      add('change', path, 'media type or caching differs')
    } else if (!isDeepStrictEqual(old.encoded, file.encoded)) {
      counts.changed++
      add('change', path, 'its compressed forms were made anew')
    } else counts.unchanged++
  }
  for (const path of Object.keys(before)) {
    if (next[path] !== undefined) continue
    counts.removed++
    add('remove', path, 'not in the site any more')
  }
  return { changes, counts }
}

function planFunctions(
  next: ReleaseDraft['functions'],
  before: ReleaseDraft['functions'],
): Change[] {
  const changes: Change[] = []
  for (const [name, definition] of Object.entries(next)) {
    const old = before[name]
    if (old === undefined) {
      changes.push({ kind: 'add', subject: 'function', name, reason: 'new function' })
      continue
    }
    const fields = Object.keys({ ...old, ...definition }) as (keyof typeof definition)[]
    const different = fields.filter(field => !isDeepStrictEqual(old[field], definition[field]))
    if (different.length === 0) continue
    const reason = different.map(field => FIELD_NAMES[field] ?? field).join(', ')
    changes.push({
      kind: 'change',
      subject: 'function',
      name,
      reason: `${reason} ${different.length === 1 ? 'differs' : 'differ'}`,
    })
  }
  for (const name of Object.keys(before)) {
    if (next[name] !== undefined) continue
    changes.push({ kind: 'remove', subject: 'function', name, reason: 'not configured any more' })
  }
  return changes
}

const FIELD_NAMES: Record<string, string> = {
  codeSha256: 'code',
  timeoutMs: 'timeout',
  memoryMb: 'memory',
}

function planWhole(
  subject: 'redirects' | 'headers',
  name: string,
  next: readonly unknown[],
  before: readonly unknown[],
): Change[] {
  if (isDeepStrictEqual(next, before)) return []
  const kind = before.length === 0 ? 'add' : next.length === 0 ? 'remove' : 'change'
  return [{ kind, subject, name, reason: `${before.length} → ${next.length} rules` }]
}

function planNotifications(next: readonly unknown[], before: readonly unknown[]): Change[] {
  if (isDeepStrictEqual(next, before)) return []
  const kind = before.length === 0 ? 'add' : next.length === 0 ? 'remove' : 'change'
  const reason =
    next.length === before.length
      ? 'another address'
      : `${before.length} → ${next.length} addresses`
  return [{ kind, subject: 'notifications', name: 'notifications', reason }]
}

/** For who is told of a deploy: files are counted, all else is named. */
export function summarisePlan({ files, changes, warnings }: Plan): string {
  const counts = [
    [files.added, 'added'],
    [files.changed, 'changed'],
    [files.removed, 'removed'],
  ].flatMap(([count, what]) => (count === 0 ? [] : [`${count} ${what}`]))
  const others = changes.filter(({ subject }) => subject !== 'file')
  const sign = { add: '+', change: '~', remove: '-' }
  const more = others.length - MAX_SUMMARISED
  return [
    ...(counts.length === 0 ? [] : [`files: ${counts.join(', ')}`]),
    ...others.slice(0, MAX_SUMMARISED).map(({ kind, subject, name, reason }) => {
      const what = subject === name ? name : `${subject} ${name}`
      return `${sign[kind]} ${what}: ${reason}`
    }),
    ...(more > 0 ? [`and ${more} more`] : []),
    ...(warnings.length === 0 ? [] : [`warnings: ${warnings.length}`]),
  ].join('\n')
}

function planDatabase(next: ReleaseDraft, before: ReleaseDraft | undefined): Change[] {
  const was = before?.database ?? { kind: 'none' }
  if (isDeepStrictEqual(next.database, was)) return []
  const kind = was.kind === 'none' ? 'add' : next.database.kind === 'none' ? 'remove' : 'change'
  const reason =
    was.kind === next.database.kind ? 'its address differs' : `${was.kind} → ${next.database.kind}`
  return [{ kind, subject: 'database', name: 'database', reason }]
}

function planMigrations(next: ReleaseDraft, before: ReleaseDraft | undefined): Change[] {
  const applied = new Map(before?.migrations.map(({ name, sha256 }) => [name, sha256]))
  const changes: Change[] = []
  for (const { name, sha256 } of next.migrations) {
    const old = applied.get(name)
    if (old === sha256) continue
    changes.push(
      old === undefined
        ? { kind: 'add', subject: 'migration', name, reason: 'new migration' }
        : { kind: 'change', subject: 'migration', name, reason: 'text differs from the live one' },
    )
  }
  return changes
}

function planDns(next: ReleaseDraft, before: ReleaseDraft | undefined): Change[] {
  const changes: Change[] = []
  if (next.domain !== before?.domain) {
    const kind =
      before?.domain === undefined ? 'add' : next.domain === undefined ? 'remove' : 'change'
    const name = next.domain ?? before?.domain ?? ''
    changes.push({ kind, subject: 'domain', name, reason: 'the site is served under it' })
  }
  const describe = (record: ReleaseDraft['dns']['records'][number]) =>
    `${record.name} ${record.type} ${[record.value].flat().join(', ')}${record.ttlSeconds === undefined ? '' : ` (${record.ttlSeconds} s)`}`
  const after = new Set(next.dns.records.map(describe))
  const old = new Set(before?.dns.records.map(describe))
  for (const name of after) {
    if (!old.has(name)) changes.push({ kind: 'add', subject: 'dns', name, reason: 'new record' })
  }
  for (const name of old) {
    if (after.has(name)) continue
    changes.push({ kind: 'remove', subject: 'dns', name, reason: 'not configured any more' })
  }
  return changes
}

function planKept(next: number | undefined, before: number | undefined): Change[] {
  if (next === before) return []
  const kind = before === undefined ? 'add' : next === undefined ? 'remove' : 'change'
  const show = (count: number | undefined) => count ?? 'the usual number'
  return [
    { kind, subject: 'setting', name: 'keepReleases', reason: `${show(before)} → ${show(next)}` },
  ]
}
