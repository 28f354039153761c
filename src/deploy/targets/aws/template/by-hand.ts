import type { Project } from '../../../../config/project.ts'
import { domainStackName, GLOBAL_REGION, siteStackName } from '../stack/names.ts'
import { formatTemplate, type Template } from './format.ts'

/** Octets of a template that CloudFormation takes in the request itself. */
const MAX_INLINE_BYTES = 51_200

/** The command of `aws` that makes or changes the stack, for who goes on without Mokapot. */
export function createCommand(
  project: Project,
  kind: 'site' | 'domain',
  template: Template,
  file: string,
): string {
  const isSite = kind === 'site'
  const isLarge = Buffer.byteLength(formatTemplate(template)) > MAX_INLINE_BYTES
  const parameters = Object.entries(template.Parameters ?? {}).flatMap(([name, parameter]) =>
    'Default' in parameter ? [] : [`${name}=…`],
  )
  const makesRoles = Object.values(template.Resources).some(
    resource => 'Type' in resource && String(resource.Type).startsWith('AWS::IAM::'),
  )
  const name = isSite ? siteStackName(project.name) : domainStackName(project.name)
  return [
    `aws cloudformation deploy --region ${isSite ? project.aws.region : GLOBAL_REGION}`,
    `--stack-name ${name} --template-file ${/\s/.test(file) ? `'${file}'` : file}`,
    ...(makesRoles ? ['--capabilities CAPABILITY_NAMED_IAM'] : []),
    ...(isLarge ? ['--s3-bucket BUCKET-FOR-THE-TEMPLATE'] : []),
    ...(parameters.length > 0 ? [`--parameter-overrides ${parameters.join(' ')}`] : []),
  ].join(' ')
}
