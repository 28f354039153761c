import { hostname, userInfo } from 'node:os'
import { createInterface } from 'node:readline/promises'
import { loadProject } from '../../../config/load.ts'
import type { DestroyPlan, Fate } from '../../../deploy/targets/aws/stack/destroy/destroy-plan.ts'
import { systemClock } from '../../../shared/clock.ts'
import { MokaError } from '../../../shared/errors.ts'
import { createReporter, formatCount, type Reporter } from '../../reporter.ts'

export interface DestroyCommandOptions {
  yes?: string
  deleteBucket?: boolean
  deleteDatabase?: boolean
  deleteZone?: boolean
  dryRun?: boolean
  json?: boolean
}

/** `moka destroy --to aws`: shows what goes and what stays, asks, and takes the rest away. */
export async function destroyCommand(options: DestroyCommandOptions): Promise<void> {
  const reporter = createReporter(options.json === true)
  const project = await loadProject(process.cwd())
  const { openDestroy } = await import('../../../deploy/targets/aws/stack/destroy/open-destroy.ts')
  reporter.progress('looking what there is…')
  const planned = await openDestroy(project, {
    deleteBucket: options.deleteBucket === true,
    deleteDatabase: options.deleteDatabase === true,
    deleteZone: options.deleteZone === true,
  })
  const { plan } = planned
  const isDone = plan.goes.length === 0
  print(plan, reporter)
  if (isDone || options.dryRun === true) {
    const text = isDone ? 'nothing goes' : `${formatCount(plan.goes.length, 'thing')} would go`
    return reporter.result(
      { project: project.name, dryRun: options.dryRun === true, destroyed: false, ...plan },
      `${text}, ${formatCount(plan.stays.length, 'thing')} ${isDone ? 'stay' : 'would stay'}`,
    )
  }
  await confirm(project.name, options.yes)
  const { snapshots } = await planned.run({
    clock: systemClock,
    who: { user: userInfo().username, host: hostname() },
    observer: {
      onStep: text => reporter.note(text),
      onEvent: ({ LogicalResourceId, ResourceType, ResourceStatus }) =>
        reporter.progress(`${LogicalResourceId} (${ResourceType}) ${ResourceStatus}`),
    },
  })
  for (const snapshot of snapshots) reporter.line(`= snapshot "${snapshot}" of the database`)
  reporter.result(
    { project: project.name, dryRun: false, destroyed: true, ...plan, snapshots },
    `${project.name} is off AWS: ${plan.goes.length} gone, ${plan.stays.length + snapshots.length} kept`,
  )
}

/** What a person knows by name; of the rest the number. */
const NAMED: ReadonlySet<string> = new Set([
  ...['AWS::CloudFront::Distribution', 'AWS::CloudFront::KeyValueStore', 'AWS::SSM::Parameter'],
  ...['AWS::Lambda::Function', 'AWS::ApiGatewayV2::Api', 'AWS::CertificateManager::Certificate'],
  ...['AWS::RDS::DBInstance', 'AWS::DSQL::Cluster', 'AWS::S3::Bucket', 'AWS::Route53::HostedZone'],
])

function print({ goes, stays }: DestroyPlan, reporter: Reporter): void {
  const others = goes.filter(({ type }) => !NAMED.has(type))
  const counted: Fate[] =
    others.length === 0 ? [] : [{ what: countByService(others), type: '', id: '' }]
  show('-', 'goes', [...goes.filter(({ type }) => NAMED.has(type)), ...counted], reporter)
  show('=', 'stays', stays, reporter)
}

function show(sign: string, title: string, fates: readonly Fate[], reporter: Reporter): void {
  if (fates.length === 0) return
  reporter.line(reporter.bold(title))
  for (const { what, note } of fates) {
    reporter.line(`${sign} ${what}${note === undefined ? '' : reporter.dim(`  ${note}`)}`)
  }
}

/** `38 more: 10 of EC2, 9 of Route53; --json names each` */
function countByService(fates: readonly Fate[]): string {
  const counts = new Map<string, number>()
  for (const { type } of fates) {
    const service = type.split('::')[1] ?? type
    counts.set(service, (counts.get(service) ?? 0) + 1)
  }
  const parts = [...counts].sort(([, a], [, b]) => b - a).map(([name, n]) => `${n} of ${name}`)
  return `${fates.length} more: ${parts.join(', ')}; --json names each`
}

/** The name typed, or given with --yes: nobody destroys another project than they mean. */
async function confirm(name: string, yes: string | undefined): Promise<void> {
  if (yes === name) return
  if (yes !== undefined) {
    throw new MokaError(
      'CLI_NOT_CONFIRMED',
      `cannot destroy project "${name}": --yes names "${yes}"`,
      { hint: `moka destroy --to aws --yes ${name}, or without --yes at a terminal` },
    )
  }
  if (process.stdin.isTTY !== true) {
    throw new MokaError(
      'CLI_NOT_CONFIRMED',
      `cannot destroy project "${name}": nobody is at a terminal to confirm it`,
      { hint: `moka destroy --to aws --yes ${name}` },
    )
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const typed = await terminal.question(`type ${name} to destroy it: `)
    if (typed.trim() === name) return
  } finally {
    terminal.close()
  }
  throw new MokaError(
    'CLI_NOT_CONFIRMED',
    `project "${name}" was not destroyed: another name was typed`,
  )
}
