export type {
  BehaviorConfig,
  CacheConfig,
  CacheKeyConfig,
  ErrorPageConfig,
  ForwardConfig,
  HstsConfig,
  OriginConfig,
  OriginGroupConfig,
  ResponseHeadersConfig,
} from './config/edge/edge-schema.ts'
export type {
  DatabaseConfig,
  DnsConfig,
  FunctionConfig,
  MokaConfig,
  RateLimitConfig,
  SiteConfig,
} from './config/schema.ts'
export { defineConfig } from './config/schema.ts'
export type { DnsRecord } from './dns/record.ts'
export { hasPython } from './functions/runtimes/python/interpreter.ts'
