import {
  boolean,
  integer,
  oneOf,
  optional,
  structure,
  text,
  type ValueOf,
  withDefault,
} from '../../../aws/xml/shape.ts'
import { leaf, list, listWith, unsupported } from './fragments.ts'

const method = oneOf('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'OPTIONS', 'DELETE')
export type Method = ValueOf<typeof method>

const READ: readonly Method[] = ['HEAD', 'GET']

const forwardedValues = structure({
  QueryString: boolean,
  Cookies: structure({
    Forward: oneOf('none', 'whitelist', 'all'),
    WhitelistedNames: list('Name', text),
  }),
  Headers: list('Name', text),
  QueryStringCacheKeys: list('Name', text),
})

const fields = {
  TargetOriginId: text,
  TrustedSigners: unsupported('it is the old way, of AWS accounts; name keys in TrustedKeyGroups', [
    leaf('Enabled', 'false'),
    leaf('Quantity', '0'),
  ]),
  TrustedKeyGroups: withDefault(listWith('KeyGroup', text, { Enabled: boolean }), {
    Enabled: false,
    Items: [],
  }),
  ViewerProtocolPolicy: oneOf('allow-all', 'https-only', 'redirect-to-https'),
  AllowedMethods: withDefault(
    listWith('Method', method, {
      CachedMethods: withDefault(list('Method', method), READ),
    }),
    { Items: READ, CachedMethods: READ },
  ),
  SmoothStreaming: unsupported('it is of a video format that is gone', 'false'),
  Compress: withDefault(boolean, false),
  LambdaFunctionAssociations: unsupported('functions at the edge do not exist; a route calls one', [
    leaf('Quantity', '0'),
  ]),
  FunctionAssociations: unsupported(
    'functions at the edge do not exist; _redirects and _headers do what most are for',
    [leaf('Quantity', '0')],
  ),
  FieldLevelEncryptionId: unsupported('fields are not encrypted', ''),
  RealtimeLogConfigArn: unsupported('logs are files here'),
  CachePolicyId: optional(text),
  OriginRequestPolicyId: optional(text),
  ResponseHeadersPolicyId: optional(text),
  GrpcConfig: unsupported('gRPC does not pass', [leaf('Enabled', 'false')]),
  ForwardedValues: optional(forwardedValues),
  MinTTL: optional(integer),
  DefaultTTL: optional(integer),
  MaxTTL: optional(integer),
}

export const defaultCacheBehavior = structure(fields)
export const cacheBehavior = structure({ PathPattern: text, ...fields })

export type DefaultCacheBehavior = ValueOf<typeof defaultCacheBehavior>
export type CacheBehavior = ValueOf<typeof cacheBehavior>
export type ForwardedValues = ValueOf<typeof forwardedValues>
