import type { Project } from '../../../../../config/project.ts'
import { CACHE_TAG_FIELD } from '../../stack/names.ts'
import { siteNames } from '../domain/zone.ts'
import {
  type FunctionOrigin,
  getAtt,
  ref,
  sub,
  type TemplateFragment,
  type Value,
} from '../fragment.ts'
import { DISTRIBUTION_ID } from '../functions/function-url.ts'
import { API_ORIGIN_ID } from '../functions/http-api.ts'
import { accessLogs } from '../storage/access-logs.ts'
import { BUCKET_ID } from '../storage/bucket.ts'
import { projectTagList } from '../tags.ts'
import { filesCachePolicy, filesRequestPolicy, originCacheSettings } from './cache-settings.ts'
import { errorResponses, geoRestriction } from './everywhere.ts'
import { customOrigin, type HttpOrigin, isGroup, originGroup, originId } from './origins.ts'
import { cloudFrontPattern } from './patterns.ts'
import { MANAGED, MAX_POLICIES, Policies } from './policies.ts'
import { responseHeadersPolicy } from './response-headers.ts'
import { composeRules, type Rule, type Rules } from './rules.ts'
import { SigningKeys } from './signing-keys.ts'
import { type ViewerFunctions, viewerFunctions } from './viewer-functions.ts'

/** What behaviors call the bucket. */
const FILES = 'files'
const FILES_ACCESS_ID = 'FilesAccess'
/** Of one distribution, unless a quota is raised. */
const MAX_BEHAVIORS = 75

const READ = ['GET', 'HEAD']
const METHODS = {
  read: READ,
  'read-and-options': [...READ, 'OPTIONS'],
  all: [...READ, 'OPTIONS', 'PUT', 'POST', 'PATCH', 'DELETE'],
} as const

/** What is gathered while behaviors are written. */
interface Parts {
  project: Project
  policies: Policies
  keys: SigningKeys
  viewer: ViewerFunctions
  warn: (problem: string) => void
}

/**
 * The distribution with all that it names: origins, policies, keys, functions at the edge.
 * `warnings` are of what the edge at home does and CloudFront cannot.
 */
export function distribution(
  project: Project,
  functionOrigins: readonly FunctionOrigin[],
): { fragments: TemplateFragment[]; warnings: string[] } {
  const warnings = new Set<string>()
  const warn = (problem: string) => void warnings.add(problem)
  const parts: Parts = {
    ...{ project, warn },
    policies: new Policies(project),
    keys: new SigningKeys(project),
    viewer: viewerFunctions(project),
  }
  const rules = composeRules(project, functionOrigins)
  const config = distributionConfig(rules, functionOrigins, parts)
  warnOfLimits(rules, parts)
  return {
    warnings: [...warnings],
    fragments: [
      {
        resources: {
          [DISTRIBUTION_ID]: {
            Type: 'AWS::CloudFront::Distribution',
            Properties: { DistributionConfig: config, Tags: projectTagList(project) },
          },
          [FILES_ACCESS_ID]: {
            Type: 'AWS::CloudFront::OriginAccessControl',
            Properties: {
              OriginAccessControlConfig: {
                Name: sub(`${project.name}-files-\${AWS::Region}`), // 64 characters at most
                OriginAccessControlOriginType: 's3',
                SigningBehavior: 'always',
                SigningProtocol: 'sigv4',
              },
            },
          },
        },
        outputs: {
          DistributionId: { Description: 'Of CloudFront', Value: ref(DISTRIBUTION_ID) },
          DistributionDomain: {
            Description: 'Where the site is without a domain of its own',
            Value: getAtt(DISTRIBUTION_ID, 'DomainName'),
          },
        },
      },
      parts.viewer.fragment,
      { resources: parts.policies.resources() },
      parts.keys.fragment(),
      accessLogs(project).fragment,
    ],
  }
}

function distributionConfig(
  rules: Rules,
  functionOrigins: readonly FunctionOrigin[],
  parts: Parts,
): Value {
  const { project, warn } = parts
  const { domain } = project
  const geo = geoRestriction(rules, warn)
  const special = rules.special.map(rule => ({
    PathPattern: pathPattern(rule, warn),
    ...cacheBehavior(rule, parts),
  }))
  const groups = usedOrigins(rules, project).flatMap(([id, settings]) =>
    isGroup(settings) ? [originGroup(id, settings, warn)] : [],
  )
  return {
    Comment: `Project "${project.name}", made by Mokapot`,
    Enabled: true,
    HttpVersion: 'http2and3',
    IPV6Enabled: true,
    PriceClass: 'PriceClass_All',
    // No DefaultRootObject: viewer-request would be shown "/index.html" for "/", and lead it to "/" again.
    Aliases: domain === undefined ? undefined : siteNames(project, domain),
    ViewerCertificate:
      domain === undefined
        ? { CloudFrontDefaultCertificate: true }
        : {
            AcmCertificateArn: ref('CertificateArn'),
            MinimumProtocolVersion: 'TLSv1.2_2021',
            SslSupportMethod: 'sni-only',
          },
    Logging: accessLogs(project).logging,
    Restrictions: geo === undefined ? undefined : { GeoRestriction: geo },
    Origins: [
      {
        Id: FILES,
        DomainName: getAtt(BUCKET_ID, 'RegionalDomainName'),
        OriginAccessControlId: getAtt(FILES_ACCESS_ID, 'Id'),
        S3OriginConfig: { OriginAccessIdentity: '' },
      },
      ...functionOrigins.map(({ origin }) => origin),
      ...usedOrigins(rules, project).flatMap(([id, settings]) =>
        isGroup(settings) ? [] : [customOrigin(id, settings, warn)],
      ),
    ],
    OriginGroups: groups.length === 0 ? undefined : { Quantity: groups.length, Items: groups },
    DefaultCacheBehavior: cacheBehavior(rules.rest, parts),
    CacheBehaviors: special.length === 0 ? undefined : special,
    CustomErrorResponses: errorResponses(project, rules, warn),
    // By tags many files that changed are one path of an invalidation, and hashed assets stay kept.
    CacheTagConfig: project.aws.mode === 'classic' ? { HeaderName: CACHE_TAG_FIELD } : undefined,
  }
}

/** Origins that some path is answered by, and the members of their groups, by name. */
function usedOrigins({ special, rest }: Rules, { edge }: Project) {
  const named = [...special, rest].flatMap(({ target }) =>
    target.kind === 'origin' ? [target.id] : [],
  )
  const used = new Set(
    named.flatMap(name => {
      const settings = edge.origins![name]!
      return isGroup(settings) ? [name, settings.primary, settings.secondary] : [name]
    }),
  )
  return Object.entries(edge.origins ?? {}).filter(([name]) => used.has(name))
}

function pathPattern({ pattern, behavior }: Rule, warn: Parts['warn']): string {
  const written = cloudFrontPattern(pattern)
  if (written !== pattern && behavior !== undefined) {
    warn(
      `behavior "${behavior.pattern}" is "${written}" at CloudFront, which has no other characters, and matches some more paths`,
    )
  }
  return written
}

function cacheBehavior(rule: Rule, parts: Parts): Record<string, Value | undefined> {
  const { behavior, target } = rule
  const warn = (problem: string) => parts.warn(`behavior "${rule.pattern}" ${problem}`)
  if (behavior?.rateLimit !== undefined) {
    parts.warn(
      `behavior "${behavior.pattern}" has no rateLimit on AWS: CloudFront counts no clients; AWS WAF does, for some 6 USD a month`,
    )
  }
  const { signedBy } = behavior ?? {}
  if (
    target.kind === 'function' &&
    target.id === API_ORIGIN_ID &&
    (signedBy ?? behavior?.countries) !== undefined
  ) {
    parts.warn(
      `behavior "${behavior!.pattern}" guards functions that the HTTP API answers, too, past the distribution, to who knows its address: name them in aws.functionUrls`,
    )
  }
  return {
    ...answerer(rule, parts, warn),
    CachedMethods: READ,
    ResponseHeadersPolicyId: responseHeadersPolicy(
      behavior,
      target.kind === 'files',
      parts.project.edge.hsts,
      parts.policies,
      warn,
    ),
    TrustedKeyGroups: signedBy === undefined ? undefined : [parts.keys.group(signedBy)],
    // The edge at home has a door for plain HTTP that leads to HTTPS, before any behavior.
    ViewerProtocolPolicy: behavior?.viewerProtocol ?? 'redirect-to-https',
  }
}

/** Who answers the paths of a rule, and what is kept of that. */
function answerer(
  { behavior, target }: Rule,
  parts: Parts,
  warn: Parts['warn'],
): Record<string, Value | undefined> {
  if (target.kind === 'files') {
    return {
      TargetOriginId: FILES,
      // What is no reading is refused by the viewer-request function, as at home; nothing else comes through.
      AllowedMethods: METHODS.all,
      Compress: true,
      CachePolicyId: filesCachePolicy(parts.policies),
      OriginRequestPolicyId: filesRequestPolicy(parts.policies),
      FunctionAssociations: parts.viewer.files,
    }
  }
  if (target.kind === 'function') {
    return {
      TargetOriginId: target.id,
      AllowedMethods: METHODS.all,
      Compress: true,
      CachePolicyId: MANAGED.cachingDisabled,
      OriginRequestPolicyId: MANAGED.allViewerExceptHost,
      FunctionAssociations:
        target.id === API_ORIGIN_ID ? parts.viewer.api : parts.viewer.functionUrls,
    }
  }
  const settings = parts.project.edge.origins![target.id]!
  const primary = isGroup(settings) ? settings.primary : target.id
  const { host } = parts.project.edge.origins![primary] as HttpOrigin
  const methods = behavior!.methods ?? 'read'
  const isGroupUnfit = isGroup(settings) && methods === 'all'
  if (isGroupUnfit) {
    warn(`asks origin "${primary}" alone: CloudFront fails over only where nothing is sent`)
  }
  return {
    TargetOriginId: originId(isGroupUnfit ? primary : target.id),
    AllowedMethods: METHODS[methods],
    Compress: behavior!.compress !== false,
    ...originCacheSettings(behavior!, host === 'viewer', parts.policies, warn),
  }
}

function warnOfLimits({ special }: Rules, { policies, warn }: Parts): void {
  if (special.length > MAX_BEHAVIORS) {
    warn(
      `the distribution has ${special.length} behaviors, and takes ${MAX_BEHAVIORS}: ask AWS for a higher quota`,
    )
  }
  for (const kind of ['CachePolicy', 'OriginRequestPolicy', 'ResponseHeadersPolicy'] as const) {
    const count = policies.count(kind)
    if (count > MAX_POLICIES) {
      warn(
        `the account takes ${MAX_POLICIES} of ${kind}, and there are ${count}: ask AWS for a higher quota`,
      )
    }
  }
}
