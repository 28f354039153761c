import type { Project } from '../../config/project.ts'
import { openPlace, type Place } from './place.ts'

/**
 * A project on AWS, as its visitors meet it. `address` is the distribution's own, for a project
 * without a domain.
 */
export async function openAwsPlace(project: Project, address?: string): Promise<Place> {
  const host = project.domain ?? (address && new URL(address).hostname)
  const { siteTemplate, domainTemplate } = await import('../targets/aws/template/template.ts')
  const templates = [siteTemplate(project), domainTemplate(project)]
  const resources = templates.flatMap(template => Object.values(template?.Resources ?? {}))
  return openPlace({
    kind: 'aws',
    site: host === undefined ? undefined : `https://${host}`,
    https: host === undefined ? undefined : `https://${host}`,
    host: host ?? `${project.name} on AWS`,
    functions: Object.fromEntries(
      project.functions.map(({ name, runtime, routes }) => [name, { runtime, routes }]),
    ),
    made: `the template of ${resources.length} resources that \`moka export cloudformation\` prints`,
  })
}
