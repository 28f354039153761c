import type { Project } from '../../../../../config/project.ts'
import { getAtt, type TemplateFragment } from '../fragment.ts'
import type { Statement } from '../functions/execution-role.ts'
import { projectTagList } from '../tags.ts'

/**
 * Aurora DSQL: its endpoint is public, and opens to IAM alone. It stays when the stack goes, because
 * CloudFormation keeps no snapshot of one; idle, it costs its storage. With a stack that fails to come
 * up it goes: a deploy protects it when it is used.
 */
export function dsqlFragment(project: Project): TemplateFragment {
  return {
    resources: {
      Cluster: {
        Type: 'AWS::DSQL::Cluster',
        DeletionPolicy: 'RetainExceptOnCreate',
        UpdateReplacePolicy: 'Retain',
        Properties: { DeletionProtectionEnabled: true, Tags: projectTagList(project) },
      },
    },
    outputs: {
      DatabaseHost: {
        Description: 'Aurora DSQL, for who has a token of IAM',
        Value: getAtt('Cluster', 'Endpoint'),
      },
    },
  }
}

/** Comes in as a user of the database, or as `admin`. */
export const dsqlConnect = (as: 'user' | 'admin'): Statement => ({
  Sid: 'Database',
  Effect: 'Allow',
  Action: [as === 'admin' ? 'dsql:DbConnectAdmin' : 'dsql:DbConnect'],
  Resource: getAtt('Cluster', 'ResourceArn'),
})
