import type { Project } from '../../../../../config/project.ts'
import { DATABASE_MASTER, DATABASE_NAME } from '../../stack/names.ts'
import { getAtt, ref, sub, type TemplateFragment } from '../fragment.ts'
import type { Statement } from '../functions/execution-role.ts'
import { projectTagList } from '../tags.ts'
import { DATABASE_SECURITY_GROUPS, DATABASE_SUBNETS } from './network.ts'

/** The home cloud has the same. RDS takes the newest release of it, and those that come after. */
const POSTGRES_VERSION = '18'
export const STORAGE_GIGABYTES = 20 // the least that gp3 has
/** Days that backups are kept; a free plan refuses more than one. */
export const BACKUP_DAYS_PARAMETER = 'DatabaseBackupDays'
export const BACKUP_DAYS = 7
export const FREE_BACKUP_DAYS = 1

/**
 * PostgreSQL that nothing but functions reaches. Nobody has a password: whoever comes in shows a
 * token of IAM, the one that makes the others included.
 */
export function rdsFragment(project: Project): TemplateFragment {
  const Tags = projectTagList(project)
  return {
    parameters: {
      [BACKUP_DAYS_PARAMETER]: {
        Type: 'Number',
        Description: `Days that backups of the database are kept; an account on the free plan has ${FREE_BACKUP_DAYS}`,
        Default: BACKUP_DAYS,
      },
    },
    resources: {
      DatabaseSubnets: {
        Type: 'AWS::RDS::DBSubnetGroup',
        Properties: {
          DBSubnetGroupDescription: `Database of project "${project.name}"`,
          SubnetIds: DATABASE_SUBNETS,
          Tags,
        },
      },
      DatabaseParameters: {
        Type: 'AWS::RDS::DBParameterGroup',
        Properties: {
          Description: `Database of project "${project.name}"`,
          Family: `postgres${POSTGRES_VERSION}`,
          Parameters: { 'rds.force_ssl': '1' },
          Tags,
        },
      },
      Database: {
        Type: 'AWS::RDS::DBInstance',
        DeletionPolicy: 'Snapshot',
        UpdateReplacePolicy: 'Snapshot',
        Properties: {
          Engine: 'postgres',
          EngineVersion: POSTGRES_VERSION,
          AutoMinorVersionUpgrade: true,
          DBInstanceClass: 'db.t4g.micro',
          AllocatedStorage: String(STORAGE_GIGABYTES),
          StorageType: 'gp3',
          StorageEncrypted: true,
          MultiAZ: false,
          DBName: DATABASE_NAME,
          MasterUsername: DATABASE_MASTER,
          MasterUserAuthenticationType: 'iam-db-auth',
          EnableIAMDatabaseAuthentication: true,
          // Functions bring this authority's root along.
          CACertificateIdentifier: 'rds-ca-rsa2048-g1',
          DBParameterGroupName: ref('DatabaseParameters'),
          DBSubnetGroupName: ref('DatabaseSubnets'),
          VPCSecurityGroups: DATABASE_SECURITY_GROUPS,
          PubliclyAccessible: false,
          DeletionProtection: true,
          BackupRetentionPeriod: ref(BACKUP_DAYS_PARAMETER),
          CopyTagsToSnapshot: true,
          Tags,
        },
      },
    },
    outputs: {
      DatabaseHost: {
        Description: 'PostgreSQL, for functions alone',
        Value: getAtt('Database', 'Endpoint.Address'),
      },
    },
  }
}

/** Comes in as one of the database's users, without a password. */
export const rdsConnect = (...users: readonly string[]): Statement => ({
  Sid: 'Database',
  Effect: 'Allow',
  Action: ['rds-db:connect'],
  Resource: users.map(user =>
    sub(
      `arn:\${AWS::Partition}:rds-db:\${AWS::Region}:\${AWS::AccountId}:dbuser:\${Database.DbiResourceId}/${user}`,
    ),
  ),
})
