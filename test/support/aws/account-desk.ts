import { runSimulation } from '@cloud-copilot/iam-simulate'
import { type Answer, json, Refused, xml } from './answer.ts'
import type { Operation } from './operations.ts'

/** What the account is like, as far as moto does not tell: each may be changed by a test. */
export class AccountDesk {
  /** A new account has 10, an old one 1,000. */
  concurrentExecutions = 1000
  /** Of these, what functions have reserved for themselves. */
  reservedExecutions = 0
  codeBytes = 0
  /** Quotas of RDS by the names that it gives them. */
  databaseQuotas: Record<string, { used: number; max: number }> = {
    DBInstances: { used: 0, max: 40 },
  }
  /** Who asks is allowed all of this; undefined: everything. */
  policy: object | undefined
  /** moto lists its own without their aliases; undefined: as moto has them. */
  distributions: { id: string; host: string; aliases: string[] }[] | undefined
  /** ARN of who asks; undefined: a user of moto's. */
  caller: string | undefined
  /** As GetAccountPlanState has it; undefined: an account from before there were plans. */
  plan: object | undefined = { accountPlanType: 'PAID', accountPlanStatus: 'ACTIVE' }
  /** Types that CloudFormation cannot make here. */
  readonly absentTypes = new Set<string>()
  /** Name → the distribution that has it, in another account. */
  readonly foreignAliases = new Map<string, string>()
  /** Hosted zone → key tag and DS record of the key that signs it. */
  readonly signedZones = new Map<string, { keyTag: number; ds: string }>()

  /** How far the end of a zone's signing is. */
  readonly #signingEnded = new Map<string, number>()

  /** Undefined for what moto answers, or somebody else here. */
  async answer(
    { service, name }: Operation,
    url: string,
    body: Buffer,
  ): Promise<Answer | undefined> {
    switch (`${service}:${name}`) {
      case 'lambda:GetAccountSettings':
        return this.#settings()
      case 'rds:DescribeAccountAttributes':
        return this.#databaseQuotas()
      case 'iam:SimulatePrincipalPolicy':
        return this.#simulate(new URLSearchParams(String(body)))
      case 'cloudfront:ListDistributions':
        return this.distributions === undefined ? undefined : this.#list(this.distributions)
      case 'sts:GetCallerIdentity':
        return this.caller === undefined ? undefined : this.#identity(this.caller)
      case 'freetier:GetAccountPlanState':
        if (this.plan === undefined) throw new Refused('ResourceNotFoundException', 'No plan.')
        return json(200, this.plan)
      case 'cloudformation:DescribeType':
        return this.#type(new URLSearchParams(String(body)))
      case 'route53:GetDNSSEC':
        return this.#dnssec(/hostedzone\/([^/]+)/.exec(url)?.[1] ?? '')
      case 'route53:DisableHostedZoneDNSSEC':
      case 'route53:DeactivateKeySigningKey':
      case 'route53:DeleteKeySigningKey':
        return this.#endSigning(name, /(?:hostedzone|keysigningkey)\/([^/]+)/.exec(url)?.[1] ?? '')
      default:
        return url.includes('/conflicting-alias') ? this.#conflicts(url) : undefined
    }
  }

  #list(distributions: NonNullable<AccountDesk['distributions']>): Answer {
    const items = distributions.map(({ id, host, aliases }) => ({
      ...{ Id: id, DomainName: host, Status: 'Deployed', Enabled: true },
      Aliases: { Quantity: aliases.length, Items: { CNAME: aliases } },
    }))
    return xml(200, {
      DistributionList: {
        ...{ Marker: '', MaxItems: 100, IsTruncated: false, Quantity: items.length },
        Items: { DistributionSummary: items },
      },
    })
  }

  #identity(Arn: string): Answer {
    const GetCallerIdentityResult = { Arn, UserId: 'AIDATEST', Account: Arn.split(':')[4] }
    return xml(200, { GetCallerIdentityResponse: { GetCallerIdentityResult } })
  }

  #settings(): Answer {
    const all = this.concurrentExecutions
    const unreserved = all - this.reservedExecutions
    return json(200, {
      AccountLimit: {
        ...{ CodeSizeUnzipped: 262_144_000, CodeSizeZipped: 52_428_800 },
        ...{ ConcurrentExecutions: all, UnreservedConcurrentExecutions: unreserved },
        TotalCodeSize: 80_530_636_800,
      },
      AccountUsage: { FunctionCount: 0, TotalCodeSize: this.codeBytes },
    })
  }

  #databaseQuotas(): Answer {
    const quotas = Object.entries(this.databaseQuotas).map(([AccountQuotaName, { used, max }]) => ({
      ...{ AccountQuotaName, Used: used, Max: max },
    }))
    const DescribeAccountAttributesResult = { AccountQuotas: { AccountQuota: quotas } }
    return xml(200, { DescribeAccountAttributesResponse: { DescribeAccountAttributesResult } })
  }

  /** By a simulator of IAM that is none of ours. */
  async #simulate(form: URLSearchParams): Promise<Answer> {
    const members = (name: string) =>
      [...form]
        .filter(([key]) => new RegExp(`^${name}\\.member\\.\\d+$`).test(key))
        .map(([, value]) => value)
    const [resource = '*'] = members('ResourceArns')
    const context: Record<string, string | string[]> = {}
    for (let at = 1; form.has(`ContextEntries.member.${at}.ContextKeyName`); at++) {
      const of = (field: string) => form.get(`ContextEntries.member.${at}.${field}`) ?? ''
      const value = of('ContextKeyValues.member.1')
      context[of('ContextKeyName')] = of('ContextKeyType').endsWith('List') ? [value] : value
    }
    const results = await Promise.all(
      members('ActionNames').map(async action => ({
        EvalActionName: action,
        EvalResourceName: resource,
        EvalDecision: (await this.#allows(form, action, resource, context))
          ? 'allowed'
          : 'implicitDeny',
        MissingContextValues: '',
      })),
    )
    return xml(200, {
      SimulatePrincipalPolicyResponse: {
        SimulatePrincipalPolicyResult: {
          EvaluationResults: { member: results },
          IsTruncated: false,
        },
      },
    })
  }

  async #allows(
    form: URLSearchParams,
    action: string,
    resource: string,
    contextVariables: Record<string, string | string[]>,
  ): Promise<boolean> {
    if (this.policy === undefined) return true
    const principal = form.get('PolicySourceArn') ?? ''
    const accountId = principal.split(':')[4] ?? ''
    const result = await runSimulation(
      {
        request: { principal, action, resource: { resource, accountId }, contextVariables },
        identityPolicies: [{ name: 'own', policy: this.policy }],
        serviceControlPolicies: [],
        resourceControlPolicies: [],
      },
      {},
    )
    if (result.resultType === 'error') return false
    return result.overallResult === 'Allowed'
  }

  #type(form: URLSearchParams): Answer {
    const type = form.get('TypeName') ?? ''
    if (!this.absentTypes.has(type)) {
      const DescribeTypeResult = { TypeName: type, Type: 'RESOURCE' }
      return xml(200, { DescribeTypeResponse: { DescribeTypeResult } })
    }
    throw new Refused('TypeNotFoundException', `The type '${type}' cannot be found.`, 404)
  }

  #dnssec(zone: string): Answer {
    const key = this.signedZones.get(zone)
    const keys =
      key === undefined
        ? ''
        : { member: { Name: 'mokapot', KeyTag: key.keyTag, DSRecord: key.ds, Status: 'ACTIVE' } }
    return xml(200, {
      GetDNSSECResponse: {
        Status: { ServeSignature: key === undefined ? 'NOT_SIGNING' : 'SIGNING' },
        KeySigningKeys: keys,
      },
    })
  }

  /** In this order alone: the signing, the key's use, the key. */
  #endSigning(operation: string, zone: string): Answer {
    const order = ['DisableHostedZoneDNSSEC', 'DeactivateKeySigningKey', 'DeleteKeySigningKey']
    const done = this.#signingEnded.get(zone) ?? 0
    if (order.indexOf(operation) !== done) {
      throw new Refused('KeySigningKeyInUse', 'The key signing key is in use.')
    }
    this.#signingEnded.set(zone, done + 1)
    if (done === 2) this.signedZones.delete(zone)
    const ChangeInfo = { Id: '/change/C1', Status: 'INSYNC', SubmittedAt: new Date().toISOString() }
    return xml(200, { [`${operation}Response`]: { ChangeInfo } })
  }

  #conflicts(url: string): Answer {
    const alias = new URLSearchParams(url.split('?')[1]).get('Alias') ?? ''
    const DistributionId = this.foreignAliases.get(alias)
    const item = { Alias: alias, DistributionId, AccountId: '******456789' }
    const items = DistributionId === undefined ? [] : [item]
    return xml(200, {
      ConflictingAliasesList: {
        MaxItems: 100,
        Quantity: items.length,
        Items: items.length === 0 ? '' : { ConflictingAlias: items },
      },
    })
  }
}
