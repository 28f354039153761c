import type { Project } from '../../../../../config/project.ts'
import { DATABASE_MASTER, DATABASE_USER, lambdaPrefix, PROJECT_TAG } from '../../stack/names.ts'
import { sub, type TemplateFragment } from '../fragment.ts'
import { BOUNDARY_ID, interfaceStatement, policy } from '../functions/execution-role.ts'

/** Where a project's policies and the roles of its pipeline are, which no pipeline can change. */
export const accessPath = (project: Project) => `/mokapot/${project.name}/access/`

/**
 * What roles of functions can have at most. A pipeline that makes functions makes roles, too; with
 * this it can make none that does more than a function of the project may.
 */
export function boundaryFragment(project: Project): TemplateFragment {
  const arn = (service: string, rest: string) =>
    sub(`arn:\${AWS::Partition}:${service}:\${AWS::Region}:\${AWS::AccountId}:${rest}`)
  return {
    resources: {
      [BOUNDARY_ID]: {
        Type: 'AWS::IAM::ManagedPolicy',
        Properties: {
          Description: `The most that functions of project "${project.name}" can do`,
          Path: accessPath(project),
          PolicyDocument: policy([
            {
              Effect: 'Allow',
              Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
              Resource: arn('logs', `log-group:/aws/lambda/${lambdaPrefix(project.name)}*`),
            },
            {
              Effect: 'Allow',
              Action: ['rds-db:connect'],
              Resource: [DATABASE_MASTER, DATABASE_USER].map(user =>
                arn('rds-db', `dbuser:*/${user}`),
              ),
            },
            {
              Effect: 'Allow',
              Action: ['dsql:DbConnect', 'dsql:DbConnectAdmin'],
              Resource: arn('dsql', 'cluster/*'),
              Condition: { StringEquals: { [`aws:ResourceTag/${PROJECT_TAG}`]: project.name } },
            },
            interfaceStatement,
          ]),
        },
      },
    },
  }
}
