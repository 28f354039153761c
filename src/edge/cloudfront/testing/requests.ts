import type { AwsRequest } from '../../../aws/aws-request.ts'
import { formatXml, parseXml } from '../../../aws/xml/element.ts'
import { Fields } from '../../../http/fields.ts'
import { NAMESPACE } from '../messages.ts'
import { type DistributionConfig, distributionConfig } from '../shapes/config.ts'

/** A request as it stands behind the signature. */
export function request(
  method: string,
  path: string,
  body = '',
  fields: Record<string, string> = {},
): AwsRequest {
  return {
    method,
    target: `/2020-05-31/${path}`,
    fields: Fields.from(Object.entries(fields)),
    body: Buffer.from(body),
  }
}

export function configXml(config: DistributionConfig): string {
  return formatXml(distributionConfig.write('DistributionConfig', config)!, NAMESPACE)
}

export function parseConfig(xml: string): DistributionConfig {
  return distributionConfig.read(parseXml(Buffer.from(xml)), '')
}

/** A custom origin, with more elements in it. */
export function originXml(id: string, more = ''): string {
  return `<Origin><Id>${id}</Id><DomainName>${id}.example</DomainName><CustomOriginConfig><HTTPPort>80</HTTPPort><HTTPSPort>443</HTTPSPort><OriginProtocolPolicy>http-only</OriginProtocolPolicy></CustomOriginConfig>${more}</Origin>`
}

const CACHING = '<CachePolicyId>658327ea-f89d-4fab-a63d-7e88639e58f6</CachePolicyId>'

export function behaviorXml(origin: string, more = '', policy = CACHING): string {
  return `<TargetOriginId>${origin}</TargetOriginId><ViewerProtocolPolicy>allow-all</ViewerProtocolPolicy>${policy}${more}`
}

/** A configuration with one origin, as small as it may be; `more` stands in it besides. */
export function smallConfigXml(options: {
  reference?: string
  comment?: string
  isEnabled?: boolean
  origins?: readonly string[]
  fallback?: string
  more?: string
}): string {
  const { reference = 'ref', comment = '', isEnabled = true, more = '' } = options
  const { origins = [originXml('o')], fallback = behaviorXml('o') } = options
  return `<DistributionConfig xmlns="${NAMESPACE}"><CallerReference>${reference}</CallerReference><Origins><Quantity>${origins.length}</Quantity><Items>${origins.join('')}</Items></Origins><DefaultCacheBehavior>${fallback}</DefaultCacheBehavior><Comment>${comment}</Comment><Enabled>${isEnabled}</Enabled>${more}</DistributionConfig>`
}
