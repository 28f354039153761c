import type { SSMClient as Client } from '@aws-sdk/client-ssm'
import type { Check, Found } from '../../../../doctor/finding.ts'
import { listSecretNames } from '../../operations/secrets/secret-parameters.ts'
import { sdk } from '../../sdk/sdk.ts'
import { GLOBAL_REGION } from '../../stack/names.ts'
import type { AwsContext } from '../context.ts'
import type { TemplateFacts } from '../template-facts.ts'

/** CloudFormation's. */
const MAX_RESOURCES = 500
/** Of a distribution: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html */
const MAX_BEHAVIORS = 75
/** Of an account, of each kind; not to be raised for all of them. */
const MAX_POLICIES = 20

/** What the project is on AWS, within the limits of CloudFormation and of a distribution. */
export function templateCheck(aws: AwsContext): Check {
  return {
    name: 'template',
    run: async () => {
      const facts = aws.template()
      const { siteResources, behaviors, sizeBytes } = facts
      const warnings = facts.warnings.map((what): Found => ({ level: 'note', what }))
      if (behaviors > MAX_BEHAVIORS) {
        const what = `${behaviors} behaviors, and a distribution takes ${MAX_BEHAVIORS}`
        const fix = `fewer routes and behaviors, or ask for more: https://console.aws.amazon.com/servicequotas/home/services/cloudfront/quotas`
        return [{ level: 'problem', what, fix }, ...warnings]
      }
      const what = `${siteResources} resources of ${MAX_RESOURCES}, ${behaviors} behaviors of ${MAX_BEHAVIORS}, ${Math.ceil(sizeBytes / 1000)} KB of 1,000; the bucket gets a name that nobody has`
      return [{ level: 'ok', what }, ...warnings]
    },
  }
}

/** Policies of CloudFront are few, and those of other projects count as well. */
export function policyCheck(aws: AwsContext): Check {
  return {
    name: 'policies',
    async run(signal) {
      const facts = aws.template()
      const cloudfront = await sdk.cloudfront()
      const client = new cloudfront.CloudFrontClient(await aws.config(GLOBAL_REGION))
      const options = { abortSignal: signal }
      const Type = 'custom' as const
      const [cache, request, response] = await Promise.all([
        client.send(new cloudfront.ListCachePoliciesCommand({ Type }), options),
        client.send(new cloudfront.ListOriginRequestPoliciesCommand({ Type }), options),
        client.send(new cloudfront.ListResponseHeadersPoliciesCommand({ Type }), options),
      ])
      const names = {
        CachePolicy: cache.CachePolicyList?.Items?.map(
          each => each.CachePolicy?.CachePolicyConfig?.Name,
        ),
        OriginRequestPolicy: request.OriginRequestPolicyList?.Items?.map(
          each => each.OriginRequestPolicy?.OriginRequestPolicyConfig?.Name,
        ),
        ResponseHeadersPolicy: response.ResponseHeadersPolicyList?.Items?.map(
          each => each.ResponseHeadersPolicy?.ResponseHeadersPolicyConfig?.Name,
        ),
      }
      return describePolicies(facts, names, aws.project.name)
    },
  }
}

type PolicyNames = Readonly<Record<string, readonly (string | undefined)[] | undefined>>

/** Those of the project itself are replaced by what it needs now. */
export function describePolicies(facts: TemplateFacts, names: PolicyNames, project: string): Found {
  // Of `x-y` names begin as those of `x`: behind its own there is a hash.
  const own = new RegExp(`^mokapot-${project}-[0-9a-f]{8}-`)
  const counts = Object.entries(names).map(([kind, there = []]) => {
    const needed = facts.resources.filter(({ type }) => type === `AWS::CloudFront::${kind}`).length
    const others = there.filter(name => !own.test(name ?? '')).length
    return { kind, needed, others }
  })
  const full = counts.find(({ needed, others }) => needed > 0 && needed + others > MAX_POLICIES)
  if (full === undefined) {
    const all = counts.reduce((sum, { needed }) => sum + needed, 0)
    return { level: 'ok', what: `${all} of CloudFront's are needed, and the account has room` }
  }
  const { kind, needed, others } = full
  return {
    level: 'problem',
    what: `${needed} of kind ${kind} are needed, others have ${others}, and an account takes ${MAX_POLICIES}`,
    fix: 'delete those that no distribution uses: https://console.aws.amazon.com/cloudfront/v4/home#/policies',
  }
}

/** Values that functions need, and that nobody has set yet. */
export function secretCheck(aws: AwsContext, names: readonly string[]): Check {
  return {
    name: 'secrets',
    async run(signal) {
      const { SSMClient } = await sdk.ssm()
      const client = new SSMClient(await aws.config())
      const send = (command: never) => client.send(command, { abortSignal: signal })
      const there = new Set(
        await listSecretNames({ send } as Pick<Client, 'send'>, aws.project.name),
      )
      const missing = names.filter(name => !there.has(name))
      if (missing.length === 0) return { level: 'ok', what: `${names.length} are set` }
      return {
        level: 'problem',
        what: `not set on AWS: ${missing.join(', ')}`,
        why: 'functions name them, and a release without them would fail at its first request',
        fix: missing.map(name => `moka secrets set ${name} --to aws`).join('; '),
      }
    },
  }
}
