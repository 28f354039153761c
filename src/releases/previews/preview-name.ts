import { createHash } from 'node:crypto'
import { MokaError } from '../../shared/errors.ts'

/** Leaves room for a long domain behind it: a host has 253 octets (RFC 1035 §2.3.4). */
export const MAX_PREVIEW_NAME = 30
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,28}[a-z0-9])?$/
/** Would be taken for something else. */
const RESERVED: ReadonlySet<string> = new Set(['live', 'preview', 'www'])
const HASH_LENGTH = 6

/**
 * The name of a branch's preview: `Feature/Log-in` → `feature-log-in`. What is cut off of a longer
 * one stays as a hash of the whole, so that two branches do not share one preview for that.
 */
export function previewNameOf(branch: string): string {
  const slug = branch
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}+/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
  if (slug !== '' && slug.length <= MAX_PREVIEW_NAME) return slug
  const hash = createHash('sha256').update(branch).digest('hex').slice(0, HASH_LENGTH)
  const kept = slug.slice(0, MAX_PREVIEW_NAME - HASH_LENGTH - 1).replace(/-+$/, '')
  return kept === '' ? `preview-${hash}` : `${kept}-${hash}`
}

/** Throws `RELEASES_PREVIEW_NAME`. */
export function checkPreviewName(name: string): void {
  if (NAME.test(name) && !RESERVED.has(name)) return
  const reason = RESERVED.has(name)
    ? 'the name is reserved'
    : `it is not 1 to ${MAX_PREVIEW_NAME} of a-z, 0-9 and "-"`
  throw new MokaError('RELEASES_PREVIEW_NAME', `cannot make preview "${name}": ${reason}`, {
    hint: 'name it after its branch, such as "new-menu"',
  })
}

/** What a preview's site is called beside the projects: no project's name has an "@". */
export function previewKey(project: string, name: string): string {
  return `${project}@${name}`
}

/** The project that a site belongs to, live or preview. */
export function projectOfSite(key: string): string {
  return key.split('@', 1)[0]!
}

/** The key of a site as people name it: a project, or a preview by its branch, `site@feature/menu`. */
export function siteNamed(given: string): string {
  const at = given.indexOf('@')
  return at === -1 ? given : previewKey(given.slice(0, at), previewNameOf(given.slice(at + 1)))
}
