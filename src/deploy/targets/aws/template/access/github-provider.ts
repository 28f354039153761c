import type { Project } from '../../../../../config/project.ts'
import { getAtt, ref, type TemplateFragment, type Value, when } from '../fragment.ts'
import { projectTagList } from '../tags.ts'

/** Host that signs who a workflow of GitHub is. */
export const GITHUB_ISSUER = 'token.actions.githubusercontent.com'
/** An account has this provider once at most: the ARN of one that is there, or nothing to make it. */
export const GITHUB_PROVIDER_PARAMETER = 'GithubProviderArn'
const CONDITION = 'MakesGithubProvider'

/** Stays when the stack goes: roles of other projects may trust it, too. */
export function githubProvider(project: Project): TemplateFragment {
  return {
    parameters: {
      [GITHUB_PROVIDER_PARAMETER]: {
        Type: 'String',
        Description: 'ARN of the identity provider for GitHub, where the account has it already',
        Default: '',
      },
    },
    conditions: { [CONDITION]: { 'Fn::Equals': [ref(GITHUB_PROVIDER_PARAMETER), ''] } },
    resources: {
      GithubProvider: {
        Type: 'AWS::IAM::OIDCProvider',
        Condition: CONDITION,
        DeletionPolicy: 'Retain',
        UpdateReplacePolicy: 'Retain',
        Properties: {
          Url: `https://${GITHUB_ISSUER}`,
          ClientIdList: ['sts.amazonaws.com'],
          Tags: projectTagList(project),
        },
      },
    },
  }
}

export const githubProviderArn: Value = when(
  CONDITION,
  getAtt('GithubProvider', 'Arn'),
  ref(GITHUB_PROVIDER_PARAMETER),
)
