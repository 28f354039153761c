import { formatXml } from '../../../aws/xml/element.ts'
import {
  boolean,
  integer,
  oneOf,
  optional,
  type Shape,
  structure,
  text,
  type ValueOf,
  withDefault,
} from '../../../aws/xml/shape.ts'
import { cacheBehavior, defaultCacheBehavior } from './behavior.ts'
import { leaf, list, listWith, unsupported } from './fragments.ts'
import { origin, originGroup } from './origin.ts'

const customErrorResponse = structure({
  ErrorCode: integer,
  ResponsePagePath: withDefault(text, ''),
  ResponseCode: withDefault(text, ''),
  ErrorCachingMinTTL: withDefault(integer, 10),
})

const restrictions = structure({
  GeoRestriction: listWith('Location', text, {
    RestrictionType: oneOf('blacklist', 'whitelist', 'none'),
  }),
})

const NO_CERTIFICATE_OF_AWS =
  'certificates are this cloud’s own, for each alias (see the guide on HTTPS)'

/** Of a configuration, what lists show too. */
export const distributionSummaryFields = {
  Aliases: list('CNAME', text),
  Origins: list('Origin', origin),
  OriginGroups: list('OriginGroup', originGroup),
  DefaultCacheBehavior: defaultCacheBehavior,
  CacheBehaviors: list('CacheBehavior', cacheBehavior),
  CustomErrorResponses: list('CustomErrorResponse', customErrorResponse),
  Comment: text,
  PriceClass: withDefault(
    oneOf('PriceClass_All', 'PriceClass_200', 'PriceClass_100'),
    'PriceClass_All',
  ),
  Enabled: boolean,
  ViewerCertificate: unsupported(
    NO_CERTIFICATE_OF_AWS,
    [
      leaf('CloudFrontDefaultCertificate', 'true'),
      leaf('SSLSupportMethod', 'sni-only'),
      leaf('MinimumProtocolVersion', 'TLSv1.2_2021'),
      leaf('CertificateSource', 'cloudfront'),
    ],
    // CloudFront says TLSv1 and vip of its own certificate, whatever was asked for.
    [
      'true',
      'cloudfront',
      'sni-only',
      'vip',
      'TLSv1',
      'TLSv1.2_2018',
      'TLSv1.2_2019',
      'TLSv1.2_2021',
    ],
  ),
  Restrictions: withDefault(restrictions, {
    GeoRestriction: { RestrictionType: 'none', Items: [] },
  }),
  WebACLId: unsupported('there is no firewall service; behaviors have rate limits', ''),
  HttpVersion: unsupported('HTTP/1.1 and HTTP/2 are always served, HTTP/3 is not', 'http2', [
    'http2',
  ]),
  IsIPV6Enabled: withDefault(boolean, false),
  Staging: unsupported('releases are the way to try a change', 'false'),
  AnycastIpListId: unsupported('there is one place'),
  ConnectionMode: unsupported('each distribution stands for itself', undefined, ['direct']),
  ViewerMtlsConfig: unsupported('viewers are not asked for certificates'),
  ConnectionFunctionAssociation: unsupported('functions at the edge do not exist'),
}

/** What a distribution is, as CreateDistribution and its kin have it (API version 2020-05-31). */
export const distributionConfig = structure({
  CallerReference: text,
  DefaultRootObject: withDefault(text, ''),
  ...distributionSummaryFields,
  Logging: unsupported('logs are files here, not objects of a bucket', [
    leaf('Enabled', 'false'),
    leaf('IncludeCookies', 'false'),
    leaf('Bucket', ''),
    leaf('Prefix', ''),
  ]),
  ContinuousDeploymentPolicyId: unsupported('releases are the way to try a change', ''),
  TenantConfig: unsupported('each distribution stands for itself'),
  CacheTagConfig: optional(structure({ HeaderName: text })),
})

export type DistributionConfig = ValueOf<typeof distributionConfig>
export type CustomErrorResponse = ValueOf<typeof customErrorResponse>
export type GeoRestriction = ValueOf<typeof restrictions>['GeoRestriction']

export const invalidationBatch = structure({
  Paths: list('Path', text),
  CallerReference: text,
})
export type InvalidationBatch = ValueOf<typeof invalidationBatch>

/** Whether two values read the same: left out or as it is by default is one thing. */
export function isSame<T>(shape: Shape<T>, one: T, other: T): boolean {
  return textOf(shape, one) === textOf(shape, other)
}

/** A text that is the same for values that are the same. */
export function textOf<T>(shape: Shape<T>, value: T): string {
  const element = shape.write('x', value)
  return element === undefined ? '' : formatXml(element)
}
