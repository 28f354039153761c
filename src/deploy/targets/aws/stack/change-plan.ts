import type { ResourceChange } from '@aws-sdk/client-cloudformation'
import { MokaError } from '../../../../shared/errors.ts'

/** One resource of a change, as it is shown before anything happens. */
export interface PlannedChange {
  sign: '+' | '~' | '-'
  /** As the template calls it. */
  id: string
  type: string
  /** `yes`: it is made anew, and the old one goes. `maybe`: AWS decides that while it does it. */
  isReplaced: 'no' | 'maybe' | 'yes'
  /** Names of what differs. */
  properties: string[]
}

/** What cannot be had back from the template. */
const HOLDS_DATA: Readonly<Record<string, string>> = {
  'AWS::S3::Bucket': 'releases, their files and manifests',
  'AWS::RDS::DBInstance': 'the database',
  'AWS::DSQL::Cluster': 'the database',
  'AWS::Route53::HostedZone': 'the zone, whose name servers the registrar names',
  'AWS::CloudFront::KeyValueStore': 'which release is live, and where its files are',
  'AWS::KMS::Key': 'the key that signs the zone',
}

/**
 * What CloudFormation says of it is "Some interruptions", and its change sets "Conditional": the same
 * database goes on (docs.aws.amazon.com, AWS::RDS::DBInstance, "Update requires").
 */
const CHANGED_IN_PLACE: ReadonlySet<string> = new Set(['BackupRetentionPeriod', 'Tags'])

export const dataOf = (type: string): string | undefined => HOLDS_DATA[type]

export function planChanges(changes: readonly ResourceChange[]): PlannedChange[] {
  return changes.map(change => {
    const named = (change.Details ?? []).flatMap(
      ({ Target }) => Target?.Name ?? Target?.Attribute ?? [],
    )
    const properties = [...new Set(named)].sort()
    return {
      sign: change.Action === 'Add' ? '+' : change.Action === 'Remove' ? '-' : '~',
      id: change.LogicalResourceId ?? '',
      type: change.ResourceType ?? '',
      isReplaced: replacementOf(change, properties),
      properties,
    }
  })
}

function replacementOf(
  { Action, Replacement, ResourceType }: ResourceChange,
  properties: readonly string[],
): PlannedChange['isReplaced'] {
  if (Action !== 'Modify') return 'no'
  if (Replacement === 'True') return 'yes'
  if (Replacement !== 'Conditional') return 'no'
  const isKept =
    ResourceType === 'AWS::RDS::DBInstance' &&
    properties.length > 0 &&
    properties.every(name => CHANGED_IN_PLACE.has(name))
  return isKept ? 'no' : 'maybe'
}

/** `~ Database AWS::RDS::DBInstance  DBName  replacement!` */
export function formatChange({ sign, id, type, isReplaced, properties }: PlannedChange): string {
  const what = [
    properties.join(', '),
    { no: '', maybe: 'may be replaced', yes: 'replacement!' }[isReplaced],
  ]
  return [`${sign} ${id} ${type}`, ...what.filter(text => text !== '')].join('  ')
}

/** Throws `AWS_WOULD_LOSE_DATA` for what holds data and is to go or be made anew, unless it is named. */
export function refuseLoss(
  stack: string,
  changes: readonly PlannedChange[],
  mayLose: readonly string[],
): void {
  for (const { id, type, sign, isReplaced } of changes) {
    const data = dataOf(type)
    if (data === undefined || mayLose.includes(id)) continue
    if (sign !== '-' && isReplaced === 'no') continue
    const fate =
      sign === '-' ? 'would go' : `${isReplaced === 'maybe' ? 'might' : 'would'} be made anew`
    throw new MokaError(
      'AWS_WOULD_LOSE_DATA',
      `cannot change stack "${stack}": ${id} (${type}) ${fate}, and it holds ${data}`,
      {
        hint: `put moka.config.ts back to what it said of it, or say that it may go: moka deploy --to aws --may-lose ${id}`,
      },
    )
  }
}
