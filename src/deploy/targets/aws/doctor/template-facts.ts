import type { Project } from '../../../../config/project.ts'
import type { Template } from '../template/format.ts'
import { formatTemplate } from '../template/format.ts'
import { domainTemplate, siteTemplate, templateWarnings } from '../template/template.ts'

/** What the templates of a project come to. */
export interface TemplateFacts {
  resources: { id: string; type: string; properties: Readonly<Record<string, unknown>> }[]
  /** Of the site's. */
  sizeBytes: number
  siteResources: number
  behaviors: number
  warnings: string[]
}

/** Throws where the project makes no template. */
export function templateFacts(project: Project): TemplateFacts {
  const site = siteTemplate(project)
  const domain = domainTemplate(project)
  const ofSite = resourcesOf(site)
  const distribution = ofSite.find(({ type }) => type === 'AWS::CloudFront::Distribution')
  const config = distribution?.properties.DistributionConfig as
    | { CacheBehaviors?: readonly unknown[] }
    | undefined
  return {
    resources: [...ofSite, ...(domain === undefined ? [] : resourcesOf(domain))],
    sizeBytes: Buffer.byteLength(formatTemplate(site)),
    siteResources: ofSite.length,
    behaviors: config?.CacheBehaviors?.length ?? 0,
    warnings: templateWarnings(project),
  }
}

function resourcesOf({ Resources }: Template): TemplateFacts['resources'] {
  return Object.entries(Resources).map(([id, resource]) => {
    const { Type: type, Properties: properties = {} } = resource as {
      Type: string
      Properties?: Readonly<Record<string, unknown>>
    }
    return { id, type, properties }
  })
}
