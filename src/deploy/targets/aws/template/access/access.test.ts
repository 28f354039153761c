import { describe, expect, it } from 'vitest'
import { backendFragments } from '../backend.ts'
import { mergeFragments } from '../fragment.ts'
import { sampleProject } from '../sample.contract.ts'

const github = { owner: 'you', repository: 'site', branch: 'main' }
const templateOf = (aws: Parameters<typeof sampleProject>[0] = {}) =>
  mergeFragments(backendFragments(sampleProject(aws)).fragments)

describe('the identity provider for GitHub', () => {
  const { resources, parameters, conditions } = templateOf({ aws: { github } })

  it('is made where the account has none, and stays for other projects', () => {
    expect(parameters.GithubProviderArn?.Default).toBe('')
    expect(conditions.MakesGithubProvider).toEqual({
      'Fn::Equals': [{ Ref: 'GithubProviderArn' }, ''],
    })
    expect(resources.GithubProvider).toMatchObject({
      Type: 'AWS::IAM::OIDCProvider',
      Condition: 'MakesGithubProvider',
      DeletionPolicy: 'Retain',
      Properties: {
        Url: 'https://token.actions.githubusercontent.com',
        ClientIdList: ['sts.amazonaws.com'],
      },
    })
  })

  it('is part of no template that names no repository', () => {
    const without = templateOf()
    expect(without.resources).not.toHaveProperty('GithubProvider')
    expect(without.resources).not.toHaveProperty('FunctionBoundary')
    expect(without.resources.VisitsFunctionRole?.Properties?.PermissionsBoundary).toBeUndefined()
    expect(without.outputs).not.toHaveProperty('DeployRoleArn')
  })
})

describe('the budget', () => {
  it('tells at 80 % spent, and when the month looks like more', () => {
    const { resources } = templateOf({
      aws: { budget: { monthlyUsd: 20, email: 'you@example.org' } },
    })
    const { Budget, NotificationsWithSubscribers } = resources.Budget?.Properties ?? {}
    expect(Budget).toMatchObject({
      BudgetType: 'COST',
      TimeUnit: 'MONTHLY',
      BudgetLimit: { Amount: 20, Unit: 'USD' },
    })
    expect(NotificationsWithSubscribers).toMatchObject([
      { Notification: { NotificationType: 'ACTUAL', Threshold: 80 } },
      { Notification: { NotificationType: 'FORECASTED', Threshold: 100 } },
    ])
    expect(JSON.stringify(NotificationsWithSubscribers)).toContain('you@example.org')
  })

  it('is not made where nobody is to be told', () => {
    expect(templateOf().resources).not.toHaveProperty('Budget')
  })
})
