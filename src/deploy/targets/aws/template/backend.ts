import type { Project } from '../../../../config/project.ts'
import { budgetFragment } from './access/budget.ts'
import { deployRoleFragment } from './access/deploy-role.ts'
import { database } from './database/database.ts'
import type { BackendFragments } from './fragment.ts'
import { functionUrls } from './functions/function-url.ts'
import { httpApi } from './functions/http-api.ts'
import { functionFragment, reservedConcurrencyFragment } from './functions/project-function.ts'
import { functionWarnings } from './functions/warnings.ts'

/** Everything that is asked by way of the distribution, and what that needs. */
export function backendFragments(project: Project): BackendFragments {
  const { fragments, surroundings } = database(project)
  const hasUrl = ({ name }: { name: string }) => project.aws.functionUrls.includes(name)
  const urls = functionUrls(project, project.functions.filter(hasUrl))
  const api = httpApi(
    project,
    project.functions.filter(settings => !hasUrl(settings)),
  )
  return {
    fragments: [
      ...fragments,
      reservedConcurrencyFragment(project),
      ...project.functions.map(settings => functionFragment(project, settings, surroundings)),
      api.fragment,
      ...urls.fragments,
      deployRoleFragment(project, api.origins.length > 0),
      budgetFragment(project),
    ],
    origins: [...urls.origins, ...api.origins],
    warnings: functionWarnings(project),
  }
}
