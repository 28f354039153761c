import { describe, expect, it } from 'vitest'
import type { AwsSettings } from '../../../../../config/aws/aws-settings.ts'
import { backendFragments } from '../backend.ts'
import { mergeFragments } from '../fragment.ts'
import { sampleProject } from '../sample.contract.ts'

const templateOf = (database: AwsSettings['database']) =>
  mergeFragments(backendFragments(sampleProject({ aws: { database } })).fragments)
const typesOf = (database: AwsSettings['database']) =>
  Object.values(templateOf(database).resources).map(({ Type }) => Type)

describe('PostgreSQL on RDS', () => {
  const { resources, parameters, outputs } = templateOf('rds')

  it('is small, private, encrypted, backed up, and goes with a snapshot and not by mistake', () => {
    expect(resources.Database).toMatchObject({
      Type: 'AWS::RDS::DBInstance',
      DeletionPolicy: 'Snapshot',
      UpdateReplacePolicy: 'Snapshot',
      Properties: {
        Engine: 'postgres',
        DBInstanceClass: 'db.t4g.micro',
        StorageType: 'gp3',
        AllocatedStorage: '20',
        StorageEncrypted: true,
        PubliclyAccessible: false,
        DeletionProtection: true,
        BackupRetentionPeriod: { Ref: 'DatabaseBackupDays' },
        AutoMinorVersionUpgrade: true,
      },
    })
    expect(outputs.DatabaseHost?.Value).toEqual({ 'Fn::GetAtt': ['Database', 'Endpoint.Address'] })
  })

  it('has no password, neither in the template nor among its parameters', () => {
    expect(resources.Database?.Properties).toMatchObject({
      EnableIAMDatabaseAuthentication: true,
      MasterUserAuthenticationType: 'iam-db-auth',
    })
    expect(resources.Database?.Properties).not.toHaveProperty('MasterUserPassword')
    expect(resources.Database?.Properties).not.toHaveProperty('ManageMasterUserPassword')
    expect(Object.keys(parameters)).toEqual(['DatabaseBackupDays', 'AllowsReservedConcurrency'])
    expect(typesOf('rds')).not.toContain('AWS::SecretsManager::Secret')
  })

  it('takes connections with TLS alone', () => {
    expect(resources.DatabaseParameters?.Properties).toMatchObject({
      Family: 'postgres18',
      Parameters: { 'rds.force_ssl': '1' },
    })
    expect(resources.Database?.Properties?.EngineVersion).toBe('18')
  })

  it('is reached by functions and by nothing else', () => {
    expect(resources.DatabaseSecurityGroup?.Properties?.SecurityGroupIngress).toEqual([
      {
        IpProtocol: 'tcp',
        FromPort: 5432,
        ToPort: 5432,
        SourceSecurityGroupId: { 'Fn::GetAtt': ['FunctionsSecurityGroup', 'GroupId'] },
        Description: 'Functions',
      },
    ])
    for (const id of ['VisitsFunction', 'RenderFunction', 'Migrator']) {
      expect(resources[id]?.Properties?.VpcConfig).toMatchObject({
        SecurityGroupIds: [{ 'Fn::GetAtt': ['FunctionsSecurityGroup', 'GroupId'] }],
        SubnetIds: [{ Ref: 'SubnetA' }, { Ref: 'SubnetB' }],
      })
    }
  })

  it('pays for no gateway and no endpoint, and leaves by IPv6 alone', () => {
    const types = typesOf('rds')
    expect(types).not.toContain('AWS::EC2::NatGateway')
    expect(types).not.toContain('AWS::EC2::InternetGateway')
    expect(types).not.toContain('AWS::EC2::EIP')
    const endpoints = Object.values(resources).filter(
      ({ Type }) => Type === 'AWS::EC2::VPCEndpoint',
    )
    expect(endpoints.map(({ Properties }) => Properties?.VpcEndpointType)).toEqual(['Gateway'])
    const routes = Object.values(resources).filter(({ Type }) => Type === 'AWS::EC2::Route')
    expect(routes.map(({ Properties }) => Properties?.DestinationIpv6CidrBlock)).toEqual(['::/0'])
  })

  it('has a function inside the network that has the time migrations take', () => {
    expect(resources.Migrator?.Properties).toMatchObject({
      FunctionName: 'mokapot-site__database',
      Timeout: 900,
    })
  })
})

describe('Aurora DSQL', () => {
  const { resources, outputs } = templateOf('dsql')

  it('is protected, and stays when the stack goes', () => {
    // Under another name than RDS's: CloudFormation turns no resource into one of another type.
    expect(resources.Database).toBeUndefined()
    expect(resources.Cluster).toMatchObject({
      Type: 'AWS::DSQL::Cluster',
      DeletionPolicy: 'RetainExceptOnCreate',
      Properties: { DeletionProtectionEnabled: true },
    })
    expect(outputs.DatabaseHost?.Value).toEqual({ 'Fn::GetAtt': ['Cluster', 'Endpoint'] })
  })

  it('takes no network', () => {
    expect(typesOf('dsql').filter(type => type.startsWith('AWS::EC2::'))).toEqual([])
    expect(resources.VisitsFunction?.Properties?.VpcConfig).toBeUndefined()
    expect(resources.Migrator?.Properties?.FunctionName).toBe('mokapot-site__database')
  })
})

describe('a database elsewhere, or none', () => {
  it.each(['none', 'url'] as const)('makes nothing for %s', database => {
    expect(typesOf(database).filter(type => /RDS|DSQL|EC2/.test(type))).toEqual([])
    expect(templateOf(database).resources).not.toHaveProperty('Migrator')
    expect(templateOf(database).outputs).not.toHaveProperty('DatabaseHost')
  })
})
