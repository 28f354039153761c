import type { Project } from '../../../../config/project.ts'
import type { BackendFragments } from './fragment.ts'

/** Everything that is asked by way of the distribution, and what that needs. */
export function backendFragments(_project: Project): BackendFragments {
  return { fragments: [], origins: [], warnings: [] }
}
