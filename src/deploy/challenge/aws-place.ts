import type { Project } from '../../config/project.ts'
import { openPlace, type Place } from './place.ts'

/**
 * A project on AWS, as its visitors meet it. `address` is the distribution's own, for a project
 * without a domain.
 */
export async function openAwsPlace(project: Project, address?: string): Promise<Place> {
  const site = project.domain === undefined ? address : `https://${project.domain}`
  const { siteTemplate, domainTemplate } = await import('../targets/aws/template/template.ts')
  const templates = [siteTemplate(project), domainTemplate(project)]
  const resources = templates.flatMap(template => Object.values(template?.Resources ?? {}))
  return openPlace({
    kind: 'aws',
    site,
    https: site?.startsWith('https:') ? site : undefined,
    host: site === undefined ? `${project.name} on AWS` : new URL(site).hostname,
    functions: Object.fromEntries(
      project.functions.map(({ name, runtime, routes }) => [name, { runtime, routes }]),
    ),
    made: `the template of ${resources.length} resources that \`moka export cloudformation\` prints`,
  })
}
