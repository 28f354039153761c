import type { Project } from '../../../../../config/project.ts'
import { DATABASE_MASTER, DATABASE_USER, databaseFunctionName } from '../../stack/names.ts'
import type { TemplateFragment } from '../fragment.ts'
import { getAtt, ref, type Value } from '../fragment.ts'
import { executionRole, type Statement } from '../functions/execution-role.ts'
import { placeholder } from '../functions/placeholder.ts'
import { type FunctionSurroundings, logGroup } from '../functions/project-function.ts'
import { projectTagList } from '../tags.ts'
import { dsqlConnect, dsqlFragment } from './dsql.ts'
import { NETWORK_ACCESS, networkFragment } from './network.ts'
import { rdsConnect, rdsFragment } from './rds.ts'

/** Migrations of large tables take their time: as long as Lambda gives. */
const TIMEOUT_SECONDS = 900
const MEMORY_MB = 512

/** The database that the project asks AWS for, and how its functions come in. */
export function database(project: Project): {
  fragments: TemplateFragment[]
  surroundings: FunctionSurroundings
} {
  switch (project.aws.database) {
    case 'rds':
      return {
        fragments: [
          networkFragment(project),
          rdsFragment(project),
          databaseFunction(project, NETWORK_ACCESS, rdsConnect(DATABASE_MASTER, DATABASE_USER)),
        ],
        surroundings: { network: NETWORK_ACCESS, database: [rdsConnect(DATABASE_USER)] },
      }
    case 'dsql':
      return {
        fragments: [
          dsqlFragment(project),
          databaseFunction(project, undefined, dsqlConnect('admin')),
        ],
        surroundings: { network: undefined, database: [dsqlConnect('user')] },
      }
    default:
      return { fragments: [], surroundings: { network: undefined, database: [] } }
  }
}

/**
 * Runs migrations and SQL where the database is. A deploy gives it its code; it has no version and
 * no alias, because nobody but deploys and `moka db` asks it.
 */
function databaseFunction(
  project: Project,
  network: Value | undefined,
  connect: Statement,
): TemplateFragment {
  const functionName = databaseFunctionName(project.name)
  return {
    resources: {
      MigratorLogs: logGroup(project, functionName),
      MigratorRole: executionRole(project, {
        logs: 'MigratorLogs',
        functionName,
        isInNetwork: network !== undefined,
        besides: [connect],
      }),
      Migrator: {
        Type: 'AWS::Lambda::Function',
        Properties: {
          FunctionName: functionName,
          Description: `Migrations and SQL of project "${project.name}"`,
          Architectures: ['arm64'],
          ...placeholder('node'),
          MemorySize: MEMORY_MB,
          Timeout: TIMEOUT_SECONDS,
          Role: getAtt('MigratorRole', 'Arn'),
          VpcConfig: network,
          LoggingConfig: { LogFormat: 'Text', LogGroup: ref('MigratorLogs') },
          Tags: projectTagList(project),
        },
      },
    },
  }
}
