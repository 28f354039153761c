import { isRegion } from '../../../../config/aws/validate-aws.ts'
import type { Project } from '../../../../config/project.ts'
import type { ReleaseDraft } from '../../../../releases/manifest.ts'
import { MokaError } from '../../../../shared/errors.ts'
import { backendFragments } from './backend.ts'
import { distribution } from './distribution/distribution.ts'
import { requireGuards } from './distribution/guards.ts'
import { records } from './domain/records.ts'
import { domainFragments } from './domain/zone.ts'
import { assembleTemplate, type Template } from './format.ts'
import type { TemplateFragment } from './fragment.ts'
import { hasAccessLogs } from './storage/access-logs.ts'
import { bucket } from './storage/bucket.ts'

/** The stack of the project, in its region. */
export function siteTemplate(project: Project): Template {
  return composeSite(project).template
}

/** What the project asks for and AWS does otherwise, for people; nothing of it is an error. */
export function templateWarnings(project: Project): string[] {
  return composeSite(project).warnings
}

/**
 * What of a release the distribution answers otherwise than the edge at home, for people. Throws
 * where that would show what is guarded.
 */
export function reviewTemplate(project: Project, draft: Pick<ReleaseDraft, 'redirects'>): string[] {
  requireGuards(project, draft)
  return templateWarnings(project)
}

/** Zone and certificate, in us-east-1; undefined for a project without a domain. */
export function domainTemplate(project: Project): Template | undefined {
  requireRegion(project)
  const { domain, name } = project
  if (domain === undefined) return undefined
  return assembleTemplate(
    `Project "${name}": zone and certificate of ${domain}`,
    ['Belongs into us-east-1: CloudFront takes certificates from nowhere else.'],
    domainFragments(project, domain),
  )
}

function composeSite(project: Project): { template: Template; warnings: string[] } {
  requireRegion(project)
  const { domain, name } = project
  const backend = backendFragments(project)
  const edge = distribution(project, backend.origins)
  const dns =
    domain === undefined ? { fragment: { resources: {} }, warnings: [] } : records(project, domain)
  const template = assembleTemplate(
    `Project "${name}"${domain === undefined ? '' : ` at ${domain}`}`,
    notes(project),
    [
      ...(domain === undefined ? [] : [domainParameters()]),
      bucket(project),
      ...edge.fragments,
      dns.fragment,
      ...backend.fragments,
    ],
  )
  return {
    template,
    warnings: [
      ...edge.warnings,
      ...dns.warnings,
      ...logWarnings(project),
      ...nameWarnings(project),
      ...backend.warnings,
    ],
  }
}

/** What the stack of the domain has as outputs. */
function domainParameters(): TemplateFragment {
  return {
    resources: {},
    parameters: {
      HostedZoneId: {
        Type: 'String',
        Description: 'Zone of the domain: output HostedZoneId of the stack of the domain',
        AllowedPattern: '^Z[A-Z0-9]{1,31}$',
        ConstraintDescription: 'is the id of a hosted zone',
      },
      CertificateArn: {
        Type: 'String',
        Description: 'Certificate in us-east-1: output CertificateArn of the stack of the domain',
        AllowedPattern: '^arn:aws[a-z-]*:acm:us-east-1:[0-9]{12}:certificate/[A-Za-z0-9-]+$',
        ConstraintDescription: 'is the ARN of a certificate in us-east-1',
      },
    },
  }
}

function notes({ aws, functions }: Project): string[] {
  return [
    `Made for ${aws.region}. A stack in another region is another site, with a bucket of its own.`,
    ...(aws.mode === 'classic'
      ? ['Files stand in the bucket as they are named; after a change of one, invalidate its path.']
      : [
          'Files are in the bucket under releases/, and key "live" of the KeyValueStore says which release visitors see.',
        ]),
    ...(functions.length === 0
      ? []
      : [
          'Code of functions here is a placeholder: deploys publish versions, and move the alias "live".',
        ]),
  ]
}

function logWarnings(project: Project): string[] {
  if (hasAccessLogs(project)) return []
  return [`no access logs are written: CloudFront has no way into buckets of ${project.aws.region}`]
}

/** Of the first name in a certificate of ACM (X.509's common name). */
const MAX_CERTIFIED_LENGTH = 64

function nameWarnings({ domain = '' }: Project): string[] {
  if (domain.length <= MAX_CERTIFIED_LENGTH) return []
  return [
    `domain "${domain}" has ${domain.length} characters, and AWS certifies ${MAX_CERTIFIED_LENGTH} at most`,
  ]
}

/** It may come from the environment, where nobody has looked at it. */
function requireRegion({ aws: { region } }: Project): void {
  if (isRegion(region)) return
  throw new MokaError(
    'AWS_REGION_INVALID',
    `cannot go to AWS: "${region}" is not the name of a region where CloudFront is`,
    { hint: "set AWS_REGION, or aws: { region: 'eu-central-1' } in moka.config.ts" },
  )
}
