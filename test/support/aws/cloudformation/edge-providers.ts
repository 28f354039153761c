import { createHash } from 'node:crypto'
import * as acm from '@aws-sdk/client-acm'
import * as cloudfront from '@aws-sdk/client-cloudfront'
import * as route53 from '@aws-sdk/client-route-53'
import { Refused } from '../answer.ts'
import { functionArn } from '../edge-functions.ts'
import type { PolicyKind } from '../policies.ts'
import { type Context, clientOptions, madeName, type Provider, tagsOf } from './provider.ts'
import type { Json } from './template.ts'

const asCloudFront = (context: Context) => new cloudfront.CloudFrontClient(clientOptions(context))
const asRoute53 = (context: Context) => new route53.Route53Client(clientOptions(context))

const distribution: Provider = {
  async create({ DistributionConfig }, context) {
    const client = asCloudFront(context)
    await checkAliases(client, DistributionConfig.Aliases ?? [])
    const made = await client.send(
      new cloudfront.CreateDistributionCommand({
        DistributionConfig: apiForm(DistributionConfig, madeName(context)),
      }),
    )
    const { Id, DomainName } = made.Distribution ?? {}
    return { id: Id ?? '', attributes: { Id, DomainName } }
  },
  async update(made, { DistributionConfig }, _before, context) {
    const client = asCloudFront(context)
    await checkAliases(client, DistributionConfig.Aliases ?? [], made.id)
    const before = await client.send(new cloudfront.GetDistributionCommand({ Id: made.id }))
    await client.send(
      new cloudfront.UpdateDistributionCommand({
        ...{ Id: made.id, IfMatch: before.ETag },
        DistributionConfig: apiForm(
          DistributionConfig,
          before.Distribution?.DistributionConfig?.CallerReference ?? '',
        ),
      }),
    )
    return made
  },
  async delete(made, context) {
    const client = asCloudFront(context)
    const { ETag } = await client.send(new cloudfront.GetDistributionCommand({ Id: made.id }))
    await client.send(new cloudfront.DeleteDistributionCommand({ Id: made.id, IfMatch: ETag }))
  },
}

/** A name leads to one distribution of all accounts; moto does not mind. */
async function checkAliases(
  client: cloudfront.CloudFrontClient,
  aliases: readonly string[],
  own?: string,
): Promise<void> {
  const { DistributionList } = await client.send(new cloudfront.ListDistributionsCommand({}))
  for (const { Id, Aliases } of DistributionList?.Items ?? []) {
    if (Id === own) continue
    for (const alias of Aliases?.Items ?? []) {
      if (!aliases.includes(alias)) continue
      throw new Refused(
        'CNAMEAlreadyExists',
        `Resource handler returned message: "Invalid request provided: AWS::CloudFront::Distribution: One or more of the CNAMEs you provided are already associated with a different resource."`,
      )
    }
  }
}

/** CloudFormation's spelling of a distribution in that of CloudFront itself: lists have a count. */
function apiForm(config: Json, CallerReference: string): cloudfront.DistributionConfig {
  const { IPV6Enabled, Logging, ...rest } = config
  return {
    Comment: '',
    Enabled: true,
    ...counted(rest),
    ...(IPV6Enabled === undefined ? {} : { IsIPV6Enabled: IPV6Enabled }),
    CallerReference,
  }
}

const RENAMED: Readonly<Record<string, string>> = {
  AcmCertificateArn: 'ACMCertificateArn',
  SslSupportMethod: 'SSLSupportMethod',
  OriginCustomHeaders: 'CustomHeaders',
  OriginSSLProtocols: 'OriginSslProtocols',
}

function counted(value: Json): Json {
  if (Array.isArray(value)) return { Quantity: value.length, Items: value.map(counted) }
  if (typeof value !== 'object' || value === null) return value
  // Lists of origin groups have their count there already.
  if (Array.isArray(value.Items) && 'Quantity' in value) return counted(value.Items)
  const result: Record<string, Json> = {}
  for (const [key, inner] of Object.entries<Json>(value))
    result[RENAMED[key] ?? key] = counted(inner)
  if (result.CachedMethods !== undefined) {
    const { CachedMethods, AllowedMethods, ...rest } = result
    return { ...rest, AllowedMethods: { ...(AllowedMethods ?? CachedMethods), CachedMethods } }
  }
  if (result.S3OriginConfig !== undefined) {
    result.S3OriginConfig = { OriginAccessIdentity: '', ...result.S3OriginConfig }
  }
  if (result.OriginProtocolPolicy !== undefined) {
    return { HTTPPort: 80, HTTPSPort: 443, ...result }
  }
  return result
}

const originAccess: Provider = {
  async create({ OriginAccessControlConfig }, context) {
    const made = await asCloudFront(context).send(
      new cloudfront.CreateOriginAccessControlCommand({ OriginAccessControlConfig }),
    )
    const Id = made.OriginAccessControl?.Id ?? ''
    return { id: Id, attributes: { Id } }
  },
  async delete(made, context) {
    const client = asCloudFront(context)
    const { ETag } = await client.send(
      new cloudfront.GetOriginAccessControlCommand({ Id: made.id }),
    )
    await client.send(
      new cloudfront.DeleteOriginAccessControlCommand({ Id: made.id, IfMatch: ETag }),
    )
  },
}

const keyValueStore: Provider = {
  async create({ Name, Comment }, { keyValueStores }) {
    const { id, arn } = keyValueStores.create(Name, Comment)
    return { id: Name, attributes: { Arn: arn, Id: id, Status: 'READY' } }
  },
  async delete(made, { keyValueStores }) {
    keyValueStores.delete(made.id, undefined)
  },
}

const edgeFunction: Provider = {
  async create(properties, { edgeFunctions }) {
    const { Name, FunctionCode, AutoPublish = true } = properties
    edgeFunctions.create(Name, edgeConfig(properties), Buffer.from(FunctionCode))
    if (AutoPublish) edgeFunctions.publish(Name)
    const arn = functionArn(Name)
    return {
      id: arn,
      attributes: { FunctionARN: arn, 'FunctionMetadata.FunctionARN': arn, Stage: 'LIVE' },
    }
  },
  async update(made, properties, _before, { edgeFunctions }) {
    const { Name, FunctionCode, AutoPublish = true } = properties
    edgeFunctions.update(Name, edgeConfig(properties), Buffer.from(FunctionCode))
    if (AutoPublish) edgeFunctions.publish(Name)
    return made
  },
  async delete(_made, { edgeFunctions }, { Name }) {
    edgeFunctions.delete(Name)
  },
}

const edgeConfig = ({ FunctionConfig }: Json) => ({
  comment: FunctionConfig.Comment ?? '',
  runtime: FunctionConfig.Runtime,
  keyValueStoreArns: (FunctionConfig.KeyValueStoreAssociations ?? []).map(
    ({ KeyValueStoreARN }: Json) => KeyValueStoreARN,
  ),
})

function policy(kind: PolicyKind): Provider {
  return {
    async create(properties, { policies }) {
      const id = policies.create(kind, properties[`${kind}Config`])
      return { id, attributes: { Id: id } }
    },
    async update(made, properties, _before, { policies }) {
      policies.update(made.id, properties[`${kind}Config`])
      return made
    },
    async delete(made, { policies }) {
      policies.delete(made.id)
    },
  }
}

const hostedZone: Provider = {
  async create(properties, context) {
    const made = await asRoute53(context).send(
      new route53.CreateHostedZoneCommand({
        Name: properties.Name,
        CallerReference: madeName(context),
      }),
    )
    const id = (made.HostedZone?.Id ?? '').replace('/hostedzone/', '')
    const AddTags = tagsOf({ Tags: properties.HostedZoneTags }, context)
    await asRoute53(context).send(
      new route53.ChangeTagsForResourceCommand({
        ...{ ResourceType: 'hostedzone', ResourceId: id, AddTags },
      }),
    )
    return { id, attributes: { Id: id, NameServers: made.DelegationSet?.NameServers } }
  },
  async delete(made, context) {
    await asRoute53(context).send(new route53.DeleteHostedZoneCommand({ Id: made.id }))
  },
}

type Record53 = route53.ResourceRecordSet

/** Records as CloudFormation spells them, which is as Route 53 does but for the values. */
function records(properties: Json): Record53[] {
  const all = properties.RecordSets ?? [properties]
  return all.map(
    ({ ResourceRecords, TTL, Name, Type, AliasTarget, SetIdentifier, Weight }: Json) => ({
      ...{ Name, Type, SetIdentifier, Weight },
      ...(TTL === undefined ? {} : { TTL: Number(TTL) }),
      ...(ResourceRecords === undefined
        ? {}
        : { ResourceRecords: ResourceRecords.map((Value: string) => ({ Value })) }),
      ...(AliasTarget === undefined
        ? {}
        : { AliasTarget: { EvaluateTargetHealth: false, ...AliasTarget } }),
    }),
  )
}

async function changeRecords(
  context: Context,
  HostedZoneId: string,
  changes: readonly [route53.ChangeAction, readonly Record53[]][],
): Promise<void> {
  const Changes = changes.flatMap(([Action, sets]) =>
    sets.map(ResourceRecordSet => ({ Action, ResourceRecordSet })),
  )
  if (Changes.length === 0) return
  await asRoute53(context).send(
    new route53.ChangeResourceRecordSetsCommand({ HostedZoneId, ChangeBatch: { Changes } }),
  )
}

const recordSets: Provider = {
  async create(properties, context) {
    await changeRecords(context, properties.HostedZoneId, [['CREATE', records(properties)]])
    return { id: properties.Name ?? madeName(context), attributes: {} }
  },
  async update(made, properties, before, context) {
    const next = records(properties)
    const gone = records(before).filter(
      old => !next.some(({ Name, Type }) => Name === old.Name && Type === old.Type),
    )
    const changes: [route53.ChangeAction, Record53[]][] = [
      ['DELETE', gone],
      ['UPSERT', next],
    ]
    await changeRecords(context, properties.HostedZoneId, changes)
    return made
  },
  async delete(_made, context, properties) {
    await changeRecords(context, properties.HostedZoneId, [['DELETE', records(properties)]])
  },
}

const certificate: Provider = {
  async create(properties, context) {
    const { DomainName, SubjectAlternativeNames, ValidationMethod } = properties
    const made = await new acm.ACMClient(clientOptions(context)).send(
      new acm.RequestCertificateCommand({
        ...{ DomainName, SubjectAlternativeNames, ValidationMethod },
        Tags: tagsOf(properties, context),
      }),
    )
    return { id: made.CertificateArn ?? '', attributes: {} }
  },
  async delete(made, context) {
    const input = { CertificateArn: made.id }
    await new acm.ACMClient(clientOptions(context)).send(new acm.DeleteCertificateCommand(input))
  },
}

/** What a certificate of this name is to be validated by, as CloudFormation tells while it waits. */
export function validationRecord(domain: string): string {
  const word = createHash('md5').update(domain).digest('hex')
  return `Content of DNS Record is: {Name: _${word}.${domain}.,Type: CNAME,Value: _${word}.acm-validations.aws.}`
}

export const edgeProviders: Record<string, Provider> = {
  'AWS::CloudFront::Distribution': distribution,
  'AWS::CloudFront::OriginAccessControl': originAccess,
  'AWS::CloudFront::KeyValueStore': keyValueStore,
  'AWS::CloudFront::Function': edgeFunction,
  'AWS::CloudFront::CachePolicy': policy('CachePolicy'),
  'AWS::CloudFront::OriginRequestPolicy': policy('OriginRequestPolicy'),
  'AWS::CloudFront::ResponseHeadersPolicy': policy('ResponseHeadersPolicy'),
  'AWS::Route53::HostedZone': hostedZone,
  'AWS::Route53::RecordSet': recordSets,
  'AWS::Route53::RecordSetGroup': recordSets,
  'AWS::CertificateManager::Certificate': certificate,
}
