import * as logs from '@aws-sdk/client-cloudwatch-logs'
import * as iam from '@aws-sdk/client-iam'
import { IAMClient } from '@aws-sdk/client-iam'
import * as lambda from '@aws-sdk/client-lambda'
import { LambdaClient } from '@aws-sdk/client-lambda'
import { ACCOUNT } from '../account.ts'
import {
  askJson,
  type Context,
  clientOptions,
  madeName,
  type Provider,
  tagsOf,
} from './provider.ts'
import type { Json } from './template.ts'

/** An archive with one file, `index.mjs`: what is in it nobody runs. */
const CODE = Buffer.from(
  'UEsDBBQAAAAAAAAAIQBP52O+OQAAADkAAAAJAAAAaW5kZXgubWpzZXhwb3J0IGNvbnN0IGhhbmRsZXIgPSBhc3luYyAoKSA9PiAoeyBzdGF0dXNDb2RlOiA1MDMgfSkKUEsBAhQDFAAAAAAAAAAhAE/nY745AAAAOQAAAAkAAAAAAAAAAAAAAIABAAAAAGluZGV4Lm1qc1BLBQYAAAAAAQABADcAAABgAAAAAAA=',
  'base64',
)

const asLambda = (context: Context) => new LambdaClient(clientOptions(context))
const asIam = (context: Context) => new IAMClient(clientOptions(context))

const lambdaFunction: Provider = {
  async create(properties, context) {
    const { Code, Tags: _, ReservedConcurrentExecutions, ...rest } = properties
    const FunctionName = properties.FunctionName ?? madeName(context)
    const tags = tagsOf(properties, context).map(({ Key, Value }) => [Key, Value])
    const client = asLambda(context)
    const made = await client.send(
      new lambda.CreateFunctionCommand({
        ...rest,
        FunctionName,
        Code: Code.ZipFile === undefined ? Code : { ZipFile: CODE },
        Tags: Object.fromEntries(tags),
      }),
    )
    if (ReservedConcurrentExecutions !== undefined) {
      await client.send(
        new lambda.PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions }),
      )
    }
    return { id: FunctionName, attributes: { Arn: made.FunctionArn } }
  },
  async update(made, properties, before, context) {
    const { Code: _, Tags: __, ReservedConcurrentExecutions: count, ...rest } = properties
    const client = asLambda(context)
    const FunctionName = made.id
    await client.send(new lambda.UpdateFunctionConfigurationCommand({ ...rest, FunctionName }))
    if (count === undefined) {
      await client.send(new lambda.DeleteFunctionConcurrencyCommand({ FunctionName }))
    } else if (count !== before.ReservedConcurrentExecutions) {
      const input = { FunctionName, ReservedConcurrentExecutions: count }
      await client.send(new lambda.PutFunctionConcurrencyCommand(input))
    }
    return made
  },
  async delete(made, context) {
    await asLambda(context).send(new lambda.DeleteFunctionCommand({ FunctionName: made.id }))
  },
}

const version: Provider = {
  async create({ FunctionName }, context) {
    const made = await asLambda(context).send(new lambda.PublishVersionCommand({ FunctionName }))
    return { id: made.FunctionArn ?? '', attributes: { Version: made.Version } }
  },
}

const alias: Provider = {
  async create(properties, context) {
    const made = await asLambda(context).send(new lambda.CreateAliasCommand(properties))
    return { id: made.AliasArn ?? '', attributes: { AliasArn: made.AliasArn } }
  },
  async delete(_made, context, { FunctionName, Name }) {
    await asLambda(context).send(new lambda.DeleteAliasCommand({ FunctionName, Name }))
  },
}

const permission: Provider = {
  async create({ InvokedViaFunctionUrl: _, ...properties }, context) {
    const StatementId = madeName(context)
    const [FunctionName, Qualifier] = splitArn(properties.FunctionName)
    await asLambda(context).send(
      new lambda.AddPermissionCommand({
        ...properties,
        ...(Qualifier === undefined ? {} : { Qualifier }),
        ...{ FunctionName, StatementId },
      }),
    )
    return { id: StatementId, attributes: {} }
  },
}

/** `function:name:live` of an ARN as name and qualifier. */
function splitArn(name: string): [string, string | undefined] {
  const parts = name.split(':')
  return parts.length > 6 ? [parts[6] ?? '', parts[7]] : [name, undefined]
}

const url: Provider = {
  async create({ TargetFunctionArn: FunctionName, ...properties }, context) {
    const made = await asLambda(context).send(
      new lambda.CreateFunctionUrlConfigCommand({ FunctionName, ...properties }),
    )
    const { FunctionArn, FunctionUrl } = made
    return { id: FunctionArn ?? '', attributes: { FunctionArn, FunctionUrl } }
  },
  async delete(_made, context, { TargetFunctionArn, Qualifier }) {
    const input = { FunctionName: TargetFunctionArn, Qualifier }
    await asLambda(context).send(new lambda.DeleteFunctionUrlConfigCommand(input))
  },
}

const role: Provider = {
  async create(properties, context) {
    const client = asIam(context)
    const RoleName = properties.RoleName ?? madeName(context)
    const { AssumeRolePolicyDocument, Path, PermissionsBoundary, MaxSessionDuration } = properties
    const made = await client.send(
      new iam.CreateRoleCommand({
        ...{ RoleName, Path, MaxSessionDuration, PermissionsBoundary },
        AssumeRolePolicyDocument: JSON.stringify(AssumeRolePolicyDocument),
        Tags: tagsOf(properties, context),
      }),
    )
    await writePolicies(client, RoleName, properties)
    return { id: RoleName, attributes: { Arn: made.Role?.Arn, RoleId: made.Role?.RoleId } }
  },
  async update(made, properties, before, context) {
    const client = asIam(context)
    for (const { PolicyName } of before.Policies ?? []) {
      await client.send(new iam.DeleteRolePolicyCommand({ RoleName: made.id, PolicyName }))
    }
    await writePolicies(client, made.id, properties)
    return made
  },
  async delete(made, context, properties) {
    const client = asIam(context)
    const RoleName = made.id
    for (const { PolicyName } of properties.Policies ?? []) {
      await client.send(new iam.DeleteRolePolicyCommand({ RoleName, PolicyName }))
    }
    for (const PolicyArn of properties.ManagedPolicyArns ?? []) {
      await client.send(new iam.DetachRolePolicyCommand({ RoleName, PolicyArn }))
    }
    await client.send(new iam.DeleteRoleCommand({ RoleName }))
  },
}

async function writePolicies(client: IAMClient, RoleName: string, properties: Json): Promise<void> {
  for (const { PolicyName, PolicyDocument } of properties.Policies ?? []) {
    const document = JSON.stringify(PolicyDocument)
    const input = { RoleName, PolicyName, PolicyDocument: document }
    await client.send(new iam.PutRolePolicyCommand(input))
  }
  for (const PolicyArn of properties.ManagedPolicyArns ?? []) {
    await client.send(new iam.AttachRolePolicyCommand({ RoleName, PolicyArn }))
  }
}

const managedPolicy: Provider = {
  async create(properties, context) {
    const { ManagedPolicyName = madeName(context), Path, PolicyDocument } = properties
    const made = await asIam(context).send(
      new iam.CreatePolicyCommand({
        ...{ PolicyName: ManagedPolicyName, Path },
        PolicyDocument: JSON.stringify(PolicyDocument),
      }),
    )
    const arn = made.Policy?.Arn ?? ''
    return { id: arn, attributes: { PolicyArn: arn } }
  },
  async delete(made, context) {
    await asIam(context).send(new iam.DeletePolicyCommand({ PolicyArn: made.id }))
  },
}

const identityProvider: Provider = {
  async create({ Url, ClientIdList, ThumbprintList }, context) {
    const made = await asIam(context).send(
      new iam.CreateOpenIDConnectProviderCommand({
        ...{ Url, ClientIDList: ClientIdList },
        ThumbprintList: ThumbprintList ?? ['0'.repeat(40)],
      }),
    )
    const arn = made.OpenIDConnectProviderArn ?? ''
    return { id: arn, attributes: { Arn: arn } }
  },
  async delete(made, context) {
    const input = { OpenIDConnectProviderArn: made.id }
    await asIam(context).send(new iam.DeleteOpenIDConnectProviderCommand(input))
  },
}

const logGroup: Provider = {
  async create(properties, context) {
    const client = new logs.CloudWatchLogsClient(clientOptions(context))
    const logGroupName = properties.LogGroupName ?? madeName(context)
    await client.send(new logs.CreateLogGroupCommand({ logGroupName }))
    await keep(client, logGroupName, properties)
    const arn = `arn:aws:logs:${context.region}:${ACCOUNT}:log-group:${logGroupName}:*`
    return { id: logGroupName, attributes: { Arn: arn } }
  },
  async update(made, properties, _before, context) {
    await keep(new logs.CloudWatchLogsClient(clientOptions(context)), made.id, properties)
    return made
  },
  async delete(made, context) {
    const client = new logs.CloudWatchLogsClient(clientOptions(context))
    await client.send(new logs.DeleteLogGroupCommand({ logGroupName: made.id }))
  },
}

async function keep(
  client: logs.CloudWatchLogsClient,
  logGroupName: string,
  { RetentionInDays: retentionInDays }: Json,
): Promise<void> {
  if (retentionInDays === undefined) return
  await client.send(new logs.PutRetentionPolicyCommand({ logGroupName, retentionInDays }))
}

/** A collection of API Gateway: names are as CloudFormation's, with a small letter in front. */
function gateway(path: (properties: Json) => string, idKey: string): Provider {
  return {
    async create(properties, context) {
      const { ApiId: _, ...rest } = properties
      const body = Object.fromEntries(
        Object.entries(rest).map(([key, value]) => [key[0]?.toLowerCase() + key.slice(1), value]),
      )
      const made = await askJson(context, 'apigateway', 'POST', path(properties), body)
      const ApiEndpoint = made.apiEndpoint?.replace(/^(?!https:)/, 'https://')
      return { id: made[idKey], attributes: { ApiId: made.apiId, ApiEndpoint } }
    },
    async delete(made, context, properties) {
      await askJson(context, 'apigateway', 'DELETE', `${path(properties)}/${made.id}`)
    },
  }
}

export const computeProviders: Record<string, Provider> = {
  'AWS::Lambda::Function': lambdaFunction,
  'AWS::Lambda::Version': version,
  'AWS::Lambda::Alias': alias,
  'AWS::Lambda::Permission': permission,
  'AWS::Lambda::Url': url,
  'AWS::IAM::Role': role,
  'AWS::IAM::ManagedPolicy': managedPolicy,
  'AWS::IAM::OIDCProvider': identityProvider,
  'AWS::Logs::LogGroup': logGroup,
  'AWS::ApiGatewayV2::Api': gateway(() => '/v2/apis', 'apiId'),
  'AWS::ApiGatewayV2::Stage': gateway(({ ApiId }) => `/v2/apis/${ApiId}/stages`, 'stageName'),
  'AWS::ApiGatewayV2::Route': gateway(({ ApiId }) => `/v2/apis/${ApiId}/routes`, 'routeId'),
  'AWS::ApiGatewayV2::Integration': gateway(
    ({ ApiId }) => `/v2/apis/${ApiId}/integrations`,
    'integrationId',
  ),
}
