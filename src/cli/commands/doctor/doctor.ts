import { loadProject } from '../../../config/load.ts'
import type { Project } from '../../../config/project.ts'
import { systemDns } from '../../../deploy/doctor/dns/view.ts'
import type { Finding, Level } from '../../../deploy/doctor/finding.ts'
import { runChecks } from '../../../deploy/doctor/run-checks.ts'
import {
  createReporter,
  formatCount,
  formatDuration,
  type Reporter,
  textColumns,
  wrapText,
} from '../../reporter.ts'
import { domainCheck } from './domain-check.ts'

/**
 * When a check that has no answer yet ends, from the start of the process: the whole command takes less
 * than 5 s. The rest is for a busy machine, where timers come late.
 */
const END_MS = 4000
const MIN_BOUND_MS = 1500

export interface DoctorOptions {
  to: 'home' | 'aws'
  /** For each check: a network may be slower than the default allows. */
  timeout?: number
  json?: boolean
}

/** `moka doctor`: what stands in the way of a deploy, and what mends it. Exit 1 where one is stopped. */
export async function doctor(options: DoctorOptions): Promise<void> {
  const reporter = createReporter(options.json === true)
  reporter.progress('looking…')
  const project = await loadProject(process.cwd())
  const diagnose = options.to === 'aws' ? onAws : atHome
  const findings = await diagnose(project, () => boundOf(options))
  print(reporter, findings, { target: options.to, project: project.name })
}

/** What is left of the time, asked when the checks begin: loading them has taken some. */
function boundOf({ timeout }: DoctorOptions): number {
  if (timeout !== undefined) return timeout * 1000
  return Math.max(MIN_BOUND_MS, END_MS - performance.now())
}

async function onAws(project: Project, bound: () => number): Promise<Finding[]> {
  const { diagnoseAws } = await import('../../../deploy/targets/aws/doctor/doctor.ts')
  return diagnoseAws(project, { boundMs: bound() })
}

async function atHome(project: Project, bound: () => number): Promise<Finding[]> {
  const home = await import('./home-checks.ts')
  const running = home.findRunning({})
  const { domain } = project
  const checks = [
    home.configurationCheck(project),
    home.toolsCheck(project),
    home.cloudCheck(running),
    home.portsCheck(project, running),
    home.dataCheck(project, running),
    home.certificateCheck(project, running),
    home.clockCheck,
    ...(domain === undefined ? [] : [domainCheck(domain, systemDns())]),
  ]
  return runChecks(checks, { boundMs: bound() })
}

const LEVELS: readonly Level[] = ['ok', 'note', 'problem']

/** What is well comes first, what stops a deploy last, where the eye is. */
function print(
  reporter: Reporter,
  findings: readonly Finding[],
  about: { target: string; project: string },
): void {
  const inOrder = LEVELS.flatMap(level => findings.filter(finding => finding.level === level))
  const width = Math.max(0, ...inOrder.map(({ check }) => check.length))
  for (const finding of inOrder) printFinding(reporter, finding, width)
  const count = (level: Level) => findings.filter(finding => finding.level === level).length
  const problems = count('problem')
  const end = problems === 0 ? 'nothing stops a deploy' : formatCount(problems, 'problem')
  const parts = [`${count('ok')} ok`, formatCount(count('note'), 'note'), end]
  reporter.result(
    { ...about, problems, findings },
    `${formatCount(findings.length, 'finding')}: ${parts.join(', ')} (${formatDuration(performance.now())})`,
  )
  if (problems > 0) process.exitCode = 1
}

function printFinding(
  reporter: Reporter,
  { check, level, what, why, fix }: Finding,
  width: number,
): void {
  const mark = level === 'problem' ? reporter.bold(level) : level.padEnd('problem'.length)
  const indent = ' '.repeat('problem'.length + width + 4)
  const wrap = (text: string) => wrapText(text, textColumns() - indent.length).join(`\n${indent}`)
  const text = level === 'ok' ? reporter.dim(wrap(what)) : wrap(what)
  reporter.line(`${mark}  ${check.padEnd(width)}  ${text}`)
  if (why !== undefined) reporter.line(`${indent}${reporter.dim(wrap(why))}`)
  // In one piece, as it is copied.
  if (fix !== undefined) reporter.line(`${indent}try: ${fix}`)
}
