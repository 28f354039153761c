import {
  integer,
  oneOf,
  optional,
  structure,
  text,
  type ValueOf,
  withDefault,
} from '../../../aws/xml/shape.ts'
import { leaf, list, unsupported } from './fragments.ts'

const customOrigin = structure({
  HTTPPort: integer,
  HTTPSPort: integer,
  OriginProtocolPolicy: oneOf('http-only', 'https-only', 'match-viewer'),
  OriginSslProtocols: withDefault(
    list('SslProtocol', oneOf('SSLv3', 'TLSv1', 'TLSv1.1', 'TLSv1.2')),
    ['TLSv1.2'],
  ),
  OriginReadTimeout: withDefault(integer, 30),
  OriginKeepaliveTimeout: unsupported('a connection is kept for 60 s', '60', ['5', '60']),
  IpAddressType: unsupported('an origin’s addresses are tried as its name has them', undefined, [
    'ipv4',
    'dualstack',
  ]),
  OriginMtlsConfig: unsupported('we show origins no certificate'),
})

const s3Origin = structure({
  OriginAccessIdentity: withDefault(text, ''),
  OriginReadTimeout: optional(integer),
})

export const origin = structure({
  Id: text,
  DomainName: text,
  OriginPath: withDefault(text, ''),
  CustomHeaders: list('OriginCustomHeader', structure({ HeaderName: text, HeaderValue: text })),
  S3OriginConfig: optional(s3Origin),
  CustomOriginConfig: optional(customOrigin),
  VpcOriginConfig: unsupported('there are no VPCs; give its address in CustomOriginConfig'),
  ConnectionAttempts: unsupported('an origin is tried once, and a group’s second one then', '3', [
    '3',
  ]),
  ConnectionTimeout: withDefault(integer, 10),
  ResponseCompletionTimeout: unsupported('a response may take long, if it does not pause'),
  OriginShield: unsupported('there is one place, which all misses pass', [
    leaf('Enabled', 'false'),
  ]),
  OriginAccessControlId: unsupported('requests to origins are not signed', ''),
})

export const originGroup = structure({
  Id: text,
  FailoverCriteria: structure({
    StatusCodes: list('StatusCode', integer),
  }),
  Members: list('OriginGroupMember', structure({ OriginId: text })),
  SelectionCriteria: unsupported('the first member is asked first', 'default', ['default']),
})

export type Origin = ValueOf<typeof origin>
export type OriginGroup = ValueOf<typeof originGroup>
export type CustomOrigin = ValueOf<typeof customOrigin>
