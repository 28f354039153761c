import type { Project } from '../../../../../config/project.ts'
import { DATABASE_MASTER, DATABASE_USER, lambdaPrefix } from '../../stack/names.ts'
import { dsqlConnect } from '../database/dsql.ts'
import { rdsConnect } from '../database/rds.ts'
import { sub, type TemplateFragment } from '../fragment.ts'
import {
  BOUNDARY_ID,
  interfaceStatement,
  policy,
  type Statement,
} from '../functions/execution-role.ts'
import { invokePreviews } from '../functions/preview-door.ts'

/** Where a project's policies and the roles of its pipeline are, which no pipeline can change. */
export const accessPath = (project: Project) => `/mokapot/${project.name}/access/`

/**
 * What roles of functions can have at most. A pipeline that makes functions makes roles, too; with
 * this it can make none that does more than a function of the project may.
 */
export function boundaryFragment(project: Project): TemplateFragment {
  const logs = sub(
    `arn:\${AWS::Partition}:logs:\${AWS::Region}:\${AWS::AccountId}:log-group:/aws/lambda/${lambdaPrefix(project.name)}*`,
  )
  return {
    resources: {
      [BOUNDARY_ID]: {
        Type: 'AWS::IAM::ManagedPolicy',
        Properties: {
          Description: `The most that functions of project "${project.name}" can do`,
          Path: accessPath(project),
          PolicyDocument: policy([
            {
              Sid: 'Logs',
              Effect: 'Allow',
              Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
              Resource: logs,
            },
            ...atDatabase(project),
            invokePreviews(project),
          ]),
        },
      },
    },
  }
}

function atDatabase(project: Project): Statement[] {
  switch (project.aws.database) {
    case 'rds':
      return [rdsConnect(DATABASE_MASTER, DATABASE_USER), interfaceStatement]
    case 'dsql': {
      const [asUser, asAdmin] = [dsqlConnect('user'), dsqlConnect('admin')]
      return [{ ...asUser, Action: [...asUser.Action, ...asAdmin.Action] }]
    }
    default:
      return []
  }
}
