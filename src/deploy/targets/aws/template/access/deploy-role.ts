import type { Project } from '../../../../../config/project.ts'
import { getAtt, mergeFragments, type TemplateFragment } from '../fragment.ts'
import { policy } from '../functions/execution-role.ts'
import { projectTagList } from '../tags.ts'
import { accessPath, boundaryFragment } from './boundary.ts'
import { GITHUB_ISSUER, githubProvider, githubProviderArn } from './github-provider.ts'
import { provisionRights } from './provision-rights.ts'
import { releaseRights } from './release-rights.ts'

/** The role that workflows of one branch of one repository take, and no other's. */
export function deployRoleFragment(project: Project, hasApi: boolean): TemplateFragment {
  const { github } = project.aws
  if (github === undefined) return { resources: {} }
  const ref = `ref:refs/heads/${github.branch}`
  return mergeFragments([
    githubProvider(project),
    boundaryFragment(project),
    {
      resources: {
        DeployRole: {
          Type: 'AWS::IAM::Role',
          Properties: {
            Description: `Deploys project "${project.name}" from ${github.owner}/${github.repository}`,
            Path: accessPath(project),
            AssumeRolePolicyDocument: {
              Version: '2012-10-17',
              Statement: [
                {
                  Effect: 'Allow',
                  Action: 'sts:AssumeRoleWithWebIdentity',
                  Principal: { Federated: githubProviderArn },
                  Condition: {
                    StringEquals: { [`${GITHUB_ISSUER}:aud`]: 'sts.amazonaws.com' },
                    StringLike: {
                      [`${GITHUB_ISSUER}:sub`]: [
                        `repo:${github.owner}/${github.repository}:${ref}`,
                        // With numbers, as of repositories made or renamed since July 2026. No name
                        // of GitHub has "@", "/" or ":" in it.
                        `repo:${github.owner}@*/${github.repository}@*:${ref}`,
                      ],
                    },
                  },
                },
              ],
            },
            Policies: [
              { PolicyName: 'release', PolicyDocument: policy(releaseRights(project)) },
              { PolicyName: 'provision', PolicyDocument: policy(provisionRights(project, hasApi)) },
            ],
            Tags: projectTagList(project),
          },
        },
      },
      outputs: {
        DeployRoleArn: {
          Description: 'For role-to-assume of aws-actions/configure-aws-credentials',
          Value: getAtt('DeployRole', 'Arn'),
        },
      },
    },
  ])
}
