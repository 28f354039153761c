import type { Project, ProjectFunction } from '../../../../../config/project.ts'
import { LIVE_ALIAS, lambdaName } from '../../stack/names.ts'
import { getAtt, type Resource, ref, type TemplateFragment, type Value, when } from '../fragment.ts'
import { projectTagList } from '../tags.ts'
import { executionRole, type Statement } from './execution-role.ts'
import { functionIds } from './function-ids.ts'
import { placeholder } from './placeholder.ts'

/**
 * `true` where the account lets functions keep executions for themselves: 100 have to stay for
 * whoever has reserved none, and a new account has 10 in all.
 */
export const RESERVED_CONCURRENCY_PARAMETER = 'AllowsReservedConcurrency'
const RESERVED_CONCURRENCY_CONDITION = 'ReservesConcurrency'

/** What functions have besides their code: where the database is, and how they come in. */
export interface FunctionSurroundings {
  /** `VpcConfig` of functions; undefined where they stand outside of any network of ours. */
  network: Value | undefined
  database: readonly Statement[]
}

/**
 * A function with placeholder code, its role, its log group, and the alias that visitors are
 * answered by. A release sets code, handler and environment, publishes a version and moves the
 * alias; CloudFormation leaves these alone while what the template says of them stays the same, so
 * version and alias have no property that ever changes. Environment is no part of the template.
 */
export function functionFragment(
  project: Project,
  settings: ProjectFunction,
  { network, database }: FunctionSurroundings,
): TemplateFragment {
  const ids = functionIds(settings.name)
  const functionName = lambdaName(project.name, settings.name)
  const role = {
    logs: ids.logs,
    functionName,
    isInNetwork: network !== undefined,
    besides: database,
  }
  return {
    resources: {
      [ids.logs]: logGroup(project, functionName),
      [ids.role]: executionRole(project, role),
      [ids.function]: {
        Type: 'AWS::Lambda::Function',
        Properties: {
          FunctionName: functionName,
          Description: `Function "${settings.name}" of project "${project.name}"`,
          Architectures: ['arm64'],
          ...placeholder(settings.runtime),
          MemorySize: settings.memoryMb,
          Timeout: Math.ceil(settings.timeoutMs / 1000),
          ReservedConcurrentExecutions: reservedConcurrency(settings),
          Role: getAtt(ids.role, 'Arn'),
          VpcConfig: network,
          LoggingConfig: { LogFormat: 'Text', LogGroup: ref(ids.logs) },
          Tags: projectTagList(project),
        },
      },
      [ids.version]: {
        Type: 'AWS::Lambda::Version',
        Properties: { FunctionName: ref(ids.function) },
      },
      [ids.live]: {
        Type: 'AWS::Lambda::Alias',
        Properties: {
          FunctionName: ref(ids.function),
          FunctionVersion: getAtt(ids.version, 'Version'),
          Name: LIVE_ALIAS,
        },
      },
    },
  }
}

/** Where Lambda writes a function's lines, for as long as the project says. */
export const logGroup = (project: Project, functionName: string): Resource => ({
  Type: 'AWS::Logs::LogGroup',
  Properties: {
    LogGroupName: `/aws/lambda/${functionName}`,
    RetentionInDays: project.aws.logRetentionDays,
    Tags: projectTagList(project),
  },
})

/** None are taken from others for 0, which stops the function: every account allows that. */
function reservedConcurrency({ reservedConcurrency: count }: ProjectFunction): Value | undefined {
  if (count === undefined || count === 0) return count
  return when(RESERVED_CONCURRENCY_CONDITION, count)
}

/** What functions that reserve executions share. */
export function reservedConcurrencyFragment(project: Project): TemplateFragment {
  if (reservedExecutions(project) === 0) return { resources: {} }
  return {
    resources: {},
    parameters: {
      [RESERVED_CONCURRENCY_PARAMETER]: {
        Type: 'String',
        Description:
          'Whether the account has so many concurrent executions that 100 stay unreserved',
        Default: 'false',
        AllowedValues: ['true', 'false'],
      },
    },
    conditions: {
      [RESERVED_CONCURRENCY_CONDITION]: {
        'Fn::Equals': [ref(RESERVED_CONCURRENCY_PARAMETER), 'true'],
      },
    },
  }
}

/** Executions that the project's functions keep for themselves, all together. */
export function reservedExecutions(project: Project): number {
  return project.functions.reduce(
    (sum, { reservedConcurrency = 0 }) => sum + reservedConcurrency,
    0,
  )
}
