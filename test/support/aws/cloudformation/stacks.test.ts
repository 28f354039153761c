import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sdk } from '../../../../src/deploy/targets/aws/sdk/sdk.ts'
import { type Aws, noAws, startAws } from '../start.ts'

const WORLD = {
  Parameters: { Word: { Type: 'String', Default: 'x' } },
  Conditions: { HasMore: { 'Fn::Equals': [{ Ref: 'Word' }, 'more'] } },
  Resources: {
    Bucket: { Type: 'AWS::S3::Bucket', DeletionPolicy: 'Retain', Properties: {} },
    Role: {
      Type: 'AWS::IAM::Role',
      Properties: { AssumeRolePolicyDocument: { Version: '2012-10-17', Statement: [] } },
    },
    Visits: {
      Type: 'AWS::Lambda::Function',
      Properties: {
        FunctionName: 'world-visits',
        Runtime: 'nodejs20.x',
        Handler: 'index.handler',
        Role: { 'Fn::GetAtt': ['Role', 'Arn'] },
        Code: { ZipFile: 'exports.handler = async () => ({})' },
      },
    },
    Version: { Type: 'AWS::Lambda::Version', Properties: { FunctionName: { Ref: 'Visits' } } },
    Live: {
      Type: 'AWS::Lambda::Alias',
      Properties: {
        FunctionName: { Ref: 'Visits' },
        FunctionVersion: { 'Fn::GetAtt': ['Version', 'Version'] },
        Name: 'live',
      },
    },
    Store: { Type: 'AWS::CloudFront::KeyValueStore', Properties: { Name: 'world' } },
    Viewer: {
      Type: 'AWS::CloudFront::Function',
      Properties: {
        Name: 'world-viewer',
        AutoPublish: true,
        FunctionCode: 'function handler(event) { return event.request }',
        FunctionConfig: {
          Comment: '',
          Runtime: 'cloudfront-js-2.0',
          KeyValueStoreAssociations: [{ KeyValueStoreARN: { 'Fn::GetAtt': ['Store', 'Arn'] } }],
        },
      },
    },
    Distribution: {
      Type: 'AWS::CloudFront::Distribution',
      Properties: {
        DistributionConfig: {
          Enabled: true,
          Aliases: ['example.com'],
          Origins: [
            {
              Id: 'files',
              DomainName: { 'Fn::GetAtt': ['Bucket', 'RegionalDomainName'] },
              S3OriginConfig: {},
            },
          ],
          DefaultCacheBehavior: {
            TargetOriginId: 'files',
            ViewerProtocolPolicy: 'redirect-to-https',
            AllowedMethods: ['GET', 'HEAD'],
            CachedMethods: ['GET', 'HEAD'],
            FunctionAssociations: [
              {
                EventType: 'viewer-request',
                FunctionARN: { 'Fn::GetAtt': ['Viewer', 'FunctionARN'] },
              },
            ],
          },
        },
      },
    },
    Zone: { Type: 'AWS::Route53::HostedZone', Properties: { Name: 'example.com' } },
    Records: {
      Type: 'AWS::Route53::RecordSetGroup',
      Properties: {
        HostedZoneId: { Ref: 'Zone' },
        RecordSets: ['A', 'AAAA', 'HTTPS'].map(Type => ({
          Name: 'example.com',
          Type,
          AliasTarget: {
            HostedZoneId: 'Z2FDTNDATAQYW2',
            DNSName: { 'Fn::GetAtt': ['Distribution', 'DomainName'] },
          },
        })),
      },
    },
    More: { Type: 'AWS::Logs::LogGroup', Condition: 'HasMore', Properties: {} },
  },
  Outputs: {
    BucketName: { Value: { Ref: 'Bucket' } },
    // biome-ignore lint/suspicious/noTemplateCurlyInString: CloudFormation fills it
    Address: { Value: { 'Fn::Sub': 'https://${Distribution.DomainName}/${Word}' } },
    More: { Condition: 'HasMore', Value: 'y' },
  },
}

describe.skipIf(noAws !== undefined)(`stacks on loopback (skipped without moto)`, () => {
  let aws: Aws
  let count = 0
  beforeAll(async () => {
    aws = await startAws()
    Object.assign(process.env, aws.env)
  })
  afterAll(() => aws?.close())

  async function change(kind: 'CREATE' | 'UPDATE', template: object, parameters: object[] = []) {
    const client = await sdk.cloudformation()
    const formation = new client.CloudFormationClient()
    const ChangeSetName = `change-${++count}`
    await formation.send(
      new client.CreateChangeSetCommand({
        ...{ StackName: 'world', ChangeSetName, ChangeSetType: kind },
        TemplateBody: JSON.stringify(template),
        Capabilities: ['CAPABILITY_NAMED_IAM'],
        Parameters: parameters,
      }),
    )
    const about = { StackName: 'world', ChangeSetName }
    await formation.send(new client.DescribeChangeSetCommand(about))
    const set = await formation.send(new client.DescribeChangeSetCommand(about))
    if (set.Status === 'CREATE_COMPLETE') {
      await formation.send(new client.ExecuteChangeSetCommand(about))
      await aws.stacks.settled()
    }
    const { Stacks } = await formation.send(
      new client.DescribeStacksCommand({ StackName: 'world' }),
    )
    return { set, stack: Stacks?.[0] }
  }

  it('brings a stack up with resources of moto and of the stand-in, and resolves its outputs', async () => {
    const { stack } = await change('CREATE', WORLD)
    const failed = aws.stacks.find('world')?.events.filter(({ status }) => /FAILED/.test(status))
    expect(failed).toEqual([])
    expect(stack?.StackStatus).toBe('CREATE_COMPLETE')
    const outputs = Object.fromEntries(stack?.Outputs?.map(o => [o.OutputKey, o.OutputValue]) ?? [])
    expect(outputs).toEqual({
      BucketName: expect.stringMatching(/^world-bucket-/),
      Address: expect.stringMatching(/^https:\/\/\w+\.cloudfront\.net\/x$/),
    })
    const { S3Client, HeadBucketCommand } = await sdk.s3()
    await new S3Client().send(new HeadBucketCommand({ Bucket: outputs.BucketName }))
    const { LambdaClient, GetAliasCommand } = await sdk.lambda()
    const alias = new GetAliasCommand({ FunctionName: 'world-visits', Name: 'live' })
    expect(await new LambdaClient().send(alias)).toMatchObject({ FunctionVersion: '1' })
    expect(aws.edgeFunctions.liveCode('world-viewer')).toContain('handler')
  })

  it('tells of an update what changes and what is replaced, and of none that there is none', async () => {
    const none = await change('UPDATE', WORLD)
    expect(none.set).toMatchObject({
      Status: 'FAILED',
      StatusReason: expect.stringContaining("didn't contain changes"),
    })
    const next = structuredClone(WORLD)
    next.Resources.Store.Properties.Name = 'world-2'
    next.Resources.Visits.Properties.Handler = 'main.handler'
    const { set, stack } = await change('UPDATE', next, [
      { ParameterKey: 'Word', ParameterValue: 'more' },
    ])
    const changes = set.Changes?.map(({ ResourceChange: c }) => [
      c?.Action,
      c?.LogicalResourceId,
      c?.Replacement,
    ])
    expect(changes).toEqual([
      ['Modify', 'Visits', 'False'],
      ['Modify', 'Store', 'True'],
      ['Modify', 'Viewer', 'False'],
      ['Add', 'More', undefined],
    ])
    expect(stack?.StackStatus).toBe('UPDATE_COMPLETE')
    expect(() => aws.keyValueStores.get('world')).toThrow('does not exist')
  })

  it('goes back after a resource that failed, and tells the others as its followers', async () => {
    aws.stacks.fail('Extra', 'The maximum number of things is reached')
    const next: typeof WORLD & { Resources: Record<string, object> } = structuredClone(WORLD)
    Object.assign(next.Resources, {
      Extra: { Type: 'AWS::Logs::LogGroup', Properties: {} },
      Other: { Type: 'AWS::Logs::LogGroup', Properties: {} },
    })
    const { stack } = await change('UPDATE', next)
    expect(stack?.StackStatus).toBe('UPDATE_ROLLBACK_COMPLETE')
    const failed = aws.stacks.find('world')?.events.filter(({ status }) => /_FAILED/.test(status))
    expect(failed?.map(({ logicalId, reason }) => [logicalId, reason])).toEqual([
      ['Extra', 'The maximum number of things is reached'],
      ['Other', 'Resource creation cancelled'],
    ])
  })

  it('deletes all but what is to be kept', async () => {
    const client = await sdk.cloudformation()
    const formation = new client.CloudFormationClient()
    const bucket = aws.stacks.find('world')?.resources.get('Bucket')?.made.id
    await formation.send(new client.DeleteStackCommand({ StackName: 'world' }))
    await aws.stacks.settled()
    await expect(
      formation.send(new client.DescribeStacksCommand({ StackName: 'world' })),
    ).rejects.toThrow('does not exist')
    const { S3Client, HeadBucketCommand } = await sdk.s3()
    await new S3Client().send(new HeadBucketCommand({ Bucket: bucket }))
    const { LambdaClient, GetFunctionCommand } = await sdk.lambda()
    await expect(
      new LambdaClient().send(new GetFunctionCommand({ FunctionName: 'world-visits' })),
    ).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
  })
})
