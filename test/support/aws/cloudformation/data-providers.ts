import { randomBytes } from 'node:crypto'
import * as rds from '@aws-sdk/client-rds'
import * as s3 from '@aws-sdk/client-s3'
import { ACCOUNT } from '../account.ts'
import { Refused } from '../answer.ts'
import {
  askQuery,
  type Context,
  clientOptions,
  madeName,
  type Provider,
  tagsOf,
} from './provider.ts'
import type { Json } from './template.ts'

const asS3 = (context: Context) => new s3.S3Client(clientOptions(context))
const asRds = (context: Context) => new rds.RDSClient(clientOptions(context))

const bucket: Provider = {
  async create(properties, context) {
    const client = asS3(context)
    const Bucket = properties.BucketName ?? madeName(context, 63).toLowerCase()
    const { region } = context
    await client.send(
      new s3.CreateBucketCommand({
        Bucket,
        ...(region === 'us-east-1'
          ? {}
          : { CreateBucketConfiguration: { LocationConstraint: region as 'eu-central-1' } }),
      }),
    )
    await configureBucket(client, Bucket, properties, context)
    const host = `${Bucket}.s3.${region}.amazonaws.com`
    return {
      id: Bucket,
      attributes: {
        Arn: `arn:aws:s3:::${Bucket}`,
        DomainName: `${Bucket}.s3.amazonaws.com`,
        RegionalDomainName: host,
      },
    }
  },
  async update(made, properties, _before, context) {
    await configureBucket(asS3(context), made.id, properties, context)
    return made
  },
  async delete(made, context) {
    await asS3(context).send(new s3.DeleteBucketCommand({ Bucket: made.id }))
  },
}

async function configureBucket(
  client: s3.S3Client,
  Bucket: string,
  properties: Json,
  context: Context,
): Promise<void> {
  const { PublicAccessBlockConfiguration, VersioningConfiguration } = properties
  if (PublicAccessBlockConfiguration !== undefined) {
    const input = { Bucket, PublicAccessBlockConfiguration }
    await client.send(new s3.PutPublicAccessBlockCommand(input))
  }
  if (VersioningConfiguration !== undefined) {
    await client.send(new s3.PutBucketVersioningCommand({ Bucket, VersioningConfiguration }))
  }
  const Tagging = { TagSet: tagsOf(properties, context) }
  await client.send(new s3.PutBucketTaggingCommand({ Bucket, Tagging }))
}

/** moto looks at no condition, and takes CloudFront for anybody: a denial would meet everybody. */
function withoutDenials(document: Json): string {
  const Statement = (document.Statement as Json[]).filter(({ Effect }) => Effect !== 'Deny')
  return JSON.stringify({ ...document, Statement })
}

const bucketPolicy: Provider = {
  async create({ Bucket, PolicyDocument }, context) {
    const Policy = withoutDenials(PolicyDocument)
    await asS3(context).send(new s3.PutBucketPolicyCommand({ Bucket, Policy }))
    return { id: Bucket, attributes: {} }
  },
  async update(made, { PolicyDocument }, _before, context) {
    const Policy = withoutDenials(PolicyDocument)
    await asS3(context).send(new s3.PutBucketPolicyCommand({ Bucket: made.id, Policy }))
    return made
  },
  async delete(made, context) {
    await asS3(context).send(new s3.DeleteBucketPolicyCommand({ Bucket: made.id }))
  },
}

const database: Provider = {
  async create(properties, context) {
    const {
      VPCSecurityGroups: VpcSecurityGroupIds,
      AllocatedStorage,
      MasterUserAuthenticationType: _,
      ...rest
    } = properties
    const made = await asRds(context).send(
      new rds.CreateDBInstanceCommand({
        ...rest,
        AllocatedStorage: Number(AllocatedStorage),
        VpcSecurityGroupIds,
        DBInstanceIdentifier:
          properties.DBInstanceIdentifier ?? madeName(context, 63).toLowerCase(),
        // moto knows no master without one.
        MasterUserPassword: properties.MasterUserPassword ?? 'moto-wants-one',
        Tags: tagsOf(properties, context),
      }),
    )
    const { DBInstanceIdentifier, Endpoint, DbiResourceId, DBInstanceArn } = made.DBInstance ?? {}
    return {
      id: DBInstanceIdentifier ?? '',
      attributes: {
        ...{ 'Endpoint.Address': Endpoint?.Address, 'Endpoint.Port': String(Endpoint?.Port) },
        ...{ DbiResourceId, DBInstanceArn },
      },
    }
  },
  async update(made, { DeletionProtection, BackupRetentionPeriod }, _before, context) {
    await asRds(context).send(
      new rds.ModifyDBInstanceCommand({
        ...{ DBInstanceIdentifier: made.id, DeletionProtection, BackupRetentionPeriod },
        ApplyImmediately: true,
      }),
    )
    return made
  },
  async delete(made, context) {
    const input = { DBInstanceIdentifier: made.id, SkipFinalSnapshot: true }
    await asRds(context).send(new rds.DeleteDBInstanceCommand(input))
  },
  async snapshot(made, context) {
    const client = asRds(context)
    const found = await client.send(
      new rds.DescribeDBInstancesCommand({ DBInstanceIdentifier: made.id }),
    )
    if (found.DBInstances?.[0]?.DeletionProtection === true) {
      throw new Refused(
        'InvalidParameterCombination',
        'Cannot delete protected DB Instance, please disable deletion protection and try again. (Service: Rds, Status Code: 400)',
      )
    }
    await client.send(
      new rds.CreateDBSnapshotCommand({
        DBInstanceIdentifier: made.id,
        DBSnapshotIdentifier: `${made.id.slice(0, 40)}-snapshot-${randomBytes(6).toString('hex')}`,
      }),
    )
  },
}

const subnetGroup: Provider = {
  async create(properties, context) {
    const DBSubnetGroupName = properties.DBSubnetGroupName ?? madeName(context).toLowerCase()
    const { DBSubnetGroupDescription, SubnetIds } = properties
    const input = { DBSubnetGroupName, DBSubnetGroupDescription, SubnetIds }
    await asRds(context).send(new rds.CreateDBSubnetGroupCommand(input))
    return { id: DBSubnetGroupName, attributes: {} }
  },
  async delete(made, context) {
    const input = { DBSubnetGroupName: made.id }
    await asRds(context).send(new rds.DeleteDBSubnetGroupCommand(input))
  },
}

const parameterGroup: Provider = {
  async create({ Description, Family }, context) {
    const DBParameterGroupName = madeName(context).toLowerCase()
    const input = { DBParameterGroupName, Description, DBParameterGroupFamily: Family }
    await asRds(context).send(new rds.CreateDBParameterGroupCommand(input))
    return { id: DBParameterGroupName, attributes: { DBParameterGroupName } }
  },
  async delete(made, context) {
    const input = { DBParameterGroupName: made.id }
    await asRds(context).send(new rds.DeleteDBParameterGroupCommand(input))
  },
}

/** moto's server does not lead to its own Aurora DSQL: a cluster here is its names alone. */
const dsqlCluster: Provider = {
  async create(_, { region }) {
    const id = randomBytes(13).toString('hex')
    const ResourceArn = `arn:aws:dsql:${region}:${ACCOUNT}:cluster/${id}`
    const Endpoint = `${id}.dsql.${region}.on.aws`
    return { id, attributes: { Identifier: id, ResourceArn, Endpoint } }
  },
  async delete(_, __, { DeletionProtectionEnabled }) {
    // Its words: the API's reference names the error alone (ValidationException).
    if (DeletionProtectionEnabled === true) throw new Error('Cluster is protected from deletion')
  },
}

/** One action makes it, one deletes it, and the id is under `key`. */
function network(
  word: string,
  key: string,
  parameters: (properties: Json, context: Context) => Record<string, string>,
  attributes: (id: string, properties: Json) => Record<string, Json> = () => ({}),
): Provider {
  const ask = (context: Context, action: string, values: Record<string, string>) =>
    askQuery(context, 'ec2', '2016-11-15', { Action: `${action}${word}`, ...values })
  return {
    async create(properties, context) {
      const text = JSON.stringify(await ask(context, 'Create', parameters(properties, context)))
      const id = new RegExp(`"${key}":"([^"]+)"`).exec(text)?.[1] ?? ''
      return { id, attributes: attributes(id, properties) }
    },
    async delete(made, context) {
      await ask(context, 'Delete', { [key.replace(/^./, letter => letter.toUpperCase())]: made.id })
    },
  }
}

export const dataProviders: Record<string, Provider> = {
  'AWS::S3::Bucket': bucket,
  'AWS::S3::BucketPolicy': bucketPolicy,
  'AWS::RDS::DBInstance': database,
  'AWS::DSQL::Cluster': dsqlCluster,
  'AWS::RDS::DBSubnetGroup': subnetGroup,
  'AWS::RDS::DBParameterGroup': parameterGroup,
  'AWS::EC2::VPC': network(
    'Vpc',
    'vpcId',
    ({ CidrBlock }) => ({ CidrBlock }),
    (_, { CidrBlock }) => ({ CidrBlock, Ipv6CidrBlocks: ['2001:db8:1234:1a00::/56'] }),
  ),
  'AWS::EC2::Subnet': network('Subnet', 'subnetId', ({ VpcId, CidrBlock, AvailabilityZone }) => ({
    ...{ VpcId, CidrBlock, AvailabilityZone },
  })),
  'AWS::EC2::RouteTable': network('RouteTable', 'routeTableId', ({ VpcId }) => ({ VpcId })),
  'AWS::EC2::SecurityGroup': network(
    'SecurityGroup',
    'groupId',
    ({ VpcId, GroupDescription }, context) => ({
      ...{ VpcId, GroupDescription, GroupName: madeName(context) },
    }),
    GroupId => ({ GroupId }),
  ),
}
