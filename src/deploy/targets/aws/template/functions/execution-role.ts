import type { Project } from '../../../../../config/project.ts'
import { getAtt, type Resource, ref, sub, type Value } from '../fragment.ts'
import { projectTagList } from '../tags.ts'

/** One statement of a policy. */
export interface Statement {
  Sid?: string
  Effect: 'Allow' | 'Deny'
  Action: readonly string[]
  Resource: Value
  Condition?: Value
}

export const policy = (statements: readonly Statement[]): Value => ({
  Version: '2012-10-17',
  Statement: statements.map(({ Sid, Effect, Action, Resource, Condition }) => ({
    Sid,
    Effect,
    Action,
    Resource,
    Condition,
  })),
})

/** Where roles of functions are: whoever deploys may make some here, and none elsewhere. */
export const functionRolePath = (project: Project) => `/mokapot/${project.name}/functions/`
/** More than this no role of a function can do, whatever its own policy says. */
export const BOUNDARY_ID = 'FunctionBoundary'

/** Of these Lambda makes a function's interfaces in the network; the function itself needs none. */
const INTERFACE_ACTIONS = [
  'ec2:AssignPrivateIpAddresses',
  'ec2:CreateNetworkInterface',
  'ec2:DeleteNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSubnets',
  'ec2:UnassignPrivateIpAddresses',
] as const

/** EC2 knows no resources for most of these. */
export const interfaceStatement: Statement = {
  Sid: 'Network',
  Effect: 'Allow',
  Action: INTERFACE_ACTIONS,
  Resource: '*',
}

/** Lambda itself has no function's ARN with what it asks; the code of a function has, and is refused. */
const notByCode = (functionArn: Value): Statement => ({
  Sid: 'NetworkNotByCode',
  Effect: 'Deny',
  Action: INTERFACE_ACTIONS,
  Resource: '*',
  Condition: { ArnEquals: { 'lambda:SourceFunctionArn': functionArn } },
})

/** The role of one function: its own log group, what it is for, and nothing else. */
export function executionRole(
  project: Project,
  options: {
    logs: string
    /** As Lambda calls the function: a reference would be a circle. */
    functionName: string
    isInNetwork: boolean
    /** What it may besides writing its log. */
    besides: readonly Statement[]
  },
): Resource {
  const functionArn = sub(
    `arn:\${AWS::Partition}:lambda:\${AWS::Region}:\${AWS::AccountId}:function:${options.functionName}`,
  )
  const statements: Statement[] = [
    {
      Sid: 'Logs',
      Effect: 'Allow',
      Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      Resource: getAtt(options.logs, 'Arn'),
    },
    ...options.besides,
    ...(options.isInNetwork ? [interfaceStatement, notByCode(functionArn)] : []),
  ]
  return {
    Type: 'AWS::IAM::Role',
    Properties: {
      Path: functionRolePath(project),
      AssumeRolePolicyDocument: {
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Action: 'sts:AssumeRole',
            Principal: { Service: 'lambda.amazonaws.com' },
          },
        ],
      },
      PermissionsBoundary: project.aws.github === undefined ? undefined : ref(BOUNDARY_ID),
      Policies: [{ PolicyName: 'function', PolicyDocument: policy(statements) }],
      Tags: projectTagList(project),
    },
  }
}
