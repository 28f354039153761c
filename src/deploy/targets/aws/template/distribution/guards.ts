import { coversPattern } from '../../../../../config/edge/path-coverage.ts'
import type { Project } from '../../../../../config/project.ts'
import type { ReleaseDraft } from '../../../../../releases/manifest.ts'
import { MokaError } from '../../../../../shared/errors.ts'
import { intersectPatterns } from './patterns.ts'
import { guardedPatterns } from './rules.ts'

/**
 * Throws `AWS_GUARD_OPEN` where a rule of `_redirects` shows, under an address that is open, what a
 * behavior keeps for signed URLs. At home both addresses are guarded; CloudFront looks at the one that
 * was asked for, before any rule.
 */
export function requireGuards(
  project: Project,
  { redirects }: Pick<ReleaseDraft, 'redirects'>,
): void {
  const guards = (project.edge.behaviors ?? []).filter(({ signedBy }) => signedBy !== undefined)
  for (const { from, to, status } of redirects) {
    if (status !== 200 || /^https?:/i.test(to)) continue
    const shown = openPattern(to.split(/[?#]/)[0] ?? '')
    const asked = openPattern(from.replace(/^https?:\/\/[^/]*/i, ''))
    const guard = guards.find(
      behavior =>
        guardedPatterns(behavior).some(pattern => intersectPatterns(shown, pattern).length > 0) &&
        !coversPattern(behavior.pattern, asked),
    )
    if (guard === undefined) continue
    throw new MokaError(
      'AWS_GUARD_OPEN',
      `cannot deploy the redirect from "${from}": it shows "${to}" to everybody, and behavior "${guard.pattern}" keeps that for signed URLs`,
      { hint: `let it redirect (302 in place of 200), or guard "${from}" in the same way` },
    )
  }
}

/** Everything that a rule's path may be: `/members/:splat` is `/members/*`. */
function openPattern(path: string): string {
  const end = path.search(/[:*]/)
  return end === -1 ? path : `${path.slice(0, end)}*`
}
