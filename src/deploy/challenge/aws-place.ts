import type { Project } from '../../config/project.ts'
import { openPlace, type Place } from './place.ts'

/**
 * A project on AWS, as its visitors meet it. Without a domain it is the distribution's own address,
 * which the outputs of the stack tell.
 */
export async function openAwsPlace(project: Project, distribution?: string): Promise<Place> {
  const host = project.domain ?? distribution
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
    made: `a template of ${resources.length} resources`,
  })
}
