import type { Project } from '../../../../../config/project.ts'
import type { TemplateFragment, Value } from '../fragment.ts'
import { projectTagList } from '../tags.ts'

/**
 * Mails before a month gets dearer than was said: at 80 % spent, and when it looks like more than
 * all. It counts the whole account: costs by tag take a tag that somebody activated for billing,
 * which CloudFormation cannot, and would leave out what carries no tag, such as traffic.
 */
export function budgetFragment(project: Project): TemplateFragment {
  const { budget } = project.aws
  if (budget === undefined) return { resources: {} }
  const mail = (NotificationType: string, Threshold: number): Value => ({
    Notification: {
      ComparisonOperator: 'GREATER_THAN',
      NotificationType,
      Threshold,
      ThresholdType: 'PERCENTAGE',
    },
    Subscribers: [{ SubscriptionType: 'EMAIL', Address: budget.email }],
  })
  return {
    resources: {
      Budget: {
        Type: 'AWS::Budgets::Budget',
        Properties: {
          Budget: {
            BudgetType: 'COST',
            TimeUnit: 'MONTHLY',
            BudgetLimit: { Amount: budget.monthlyUsd, Unit: 'USD' },
          },
          NotificationsWithSubscribers: [mail('ACTUAL', 80), mail('FORECASTED', 100)],
          ResourceTags: projectTagList(project),
        },
      },
    },
  }
}
