import { basename } from 'node:path'
import { loadProject } from '../../config/load.ts'
import type { Project } from '../../config/project.ts'
import { withSecrets } from '../../deploy/build/build-secrets.ts'
import { buildSite } from '../../deploy/build/build-site.ts'
import {
  type DeployObserver,
  type DeployResult,
  type DeployStep,
  deploy,
} from '../../deploy/deploy.ts'
import type { Plan } from '../../deploy/plan.ts'
import { describeSteps } from '../../deploy/steps.ts'
import { previewTarget } from '../../deploy/targets/preview.ts'
import { systemClock } from '../../shared/clock.ts'
import { reportToGithub } from '../ci/github-actions.ts'
import { type CloudOptions, findCloud } from '../find-cloud.ts'
import { type FoundTarget, findTarget, projectOf, type TargetOptions } from '../find-target.ts'
import { uploadBar } from '../progress/upload-bar.ts'
import { createReporter, formatCount, formatDuration, type Reporter } from '../reporter.ts'
import { type PreviewOptions, readPreviewOptions } from './previews/preview-options.ts'
import { formatRest } from './previews/previews.ts'

const MAX_CHANGES_SHOWN = 30
const SIGN = { add: '+', change: '~', remove: '-' } as const
const STEP_TEXT: Record<DeployStep, string> = {
  wait: 'waiting for another deploy from this folder',
  install: 'installing packages',
  build: 'building the site',
  test: 'running the tests',
  prepare: 'reading the project',
  upload: 'uploading',
  check: 'checking the release',
  migrate: 'applying migrations',
  activate: 'going live',
  confirm: 'waiting for every edge worker to confirm',
}

/** `moka deploy --steps`: builds the site, and prints how to deploy it by hand. */
export async function stepsCommand(options: CloudOptions): Promise<void> {
  const reporter = createReporter(false)
  const cloud = await findCloud(options)
  try {
    const project = await loadProject(process.cwd())
    const named = options.project === undefined ? project : { ...project, name: options.project }
    const { site: { directory, build } = { directory: '' } } = named
    if (build !== undefined) {
      const whole = await withSecrets(build, named.name, cloud.api)
      await buildSite({ directory, build: whole }, named.root, observeDeploy(reporter))
    }
    const { control, site: address } = (await cloud.api.status()).addresses
    const nowMs = systemClock.now()
    process.stdout.write(
      await describeSteps(named, cloud.api, { nowMs, cloud: control, site: address }),
    )
  } finally {
    cloud.close()
  }
}

/** `moka deploy`: makes a release of the project one stands in, and makes it live. */
export async function deployCommand(
  options: TargetOptions &
    PreviewOptions & { dryRun?: boolean; test?: boolean; mayLose?: readonly string[] },
): Promise<void> {
  const startMs = performance.now()
  const reporter = createReporter(options.json === true)
  const interruption = endAtSignal()
  const isDryRun = options.dryRun === true
  const { mayLose = [] } = options
  const isPreview = options.preview !== undefined
  const use = { reporter, isDeploy: true, isDryRun, isPreview, mayLose }
  const target = await findTarget(options, use)
  try {
    const named = await projectOf(options)
    const preview = readPreviewOptions(options)
    const result = await deploy(
      named,
      preview === undefined ? target.api : previewTarget(target.api, preview),
      {
        clock: systemClock,
        isDryRun,
        isTested: options.test === true,
        signal: interruption.signal,
      },
      interruption.observe(observeDeploy(reporter, plan => printPlan(plan, reporter))),
    )
    const durationMs = Math.round(performance.now() - startMs)
    const { address, site } = await target.addressOf(named.name)
    const summary = summarise(result, `of ${named.name}`, address, target, { isDryRun, durationMs })
    const shown = previewResult(result, preview?.password)
    reporter.result(
      {
        ...toJson(result, isDryRun),
        project: named.name,
        site,
        durationMs,
        ...shown,
      },
      shown?.password === undefined
        ? summary
        : `${summary}\nits password is ${shown.password}, with any name`,
    )
    if (!isDryRun) await tellGithub(reporter, named, site, result, summary)
  } catch (error) {
    await reportToGithub({ project: basename(process.cwd()), error })
    throw error
  } finally {
    await target.close()
  }
}

/**
 * Ctrl-C ends a build together with what it started, which is in a process group of its own, and
 * everything else at once: what was sent is kept, and nothing goes live by half.
 */
function endAtSignal(): {
  signal: AbortSignal
  observe(observer: DeployObserver): DeployObserver
} {
  const abort = new AbortController()
  let isBuilding = false
  for (const [name, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
    ['SIGHUP', 1],
  ] as const) {
    process.on(name, () => {
      if (isBuilding) abort.abort()
      else process.exit(128 + number)
    })
  }
  return {
    signal: abort.signal,
    observe: observer => ({
      ...observer,
      onStep(step, detail) {
        isBuilding = step === 'build' || step === 'install' || step === 'test'
        observer.onStep?.(step, detail)
      },
    }),
  }
}

/** What each reporter's last deploy warned of: `dev` deploys at each change, and says it once. */
const warned = new WeakMap<Reporter, readonly string[]>()

/** Shows a deploy's progress, and the warnings that the one before did not have. */
export function observeDeploy(reporter: Reporter, onPlan?: (plan: Plan) => void): DeployObserver {
  return {
    onStep(step, detail) {
      reporter.progress(`${STEP_TEXT[step]}${detail === undefined ? '' : `: ${detail}`} …`)
    },
    onBuildOutput: text => reporter.passThrough(text),
    onUpload: uploadBar(reporter),
    onPlan(plan) {
      onPlan?.(plan)
      const before = warned.get(reporter)
      warned.set(reporter, plan.warnings)
      const news = plan.warnings.filter(warning => before?.includes(warning) !== true)
      for (const warning of news) reporter.note(`warning: ${warning}`)
    },
  }
}

/** Where people look for it, when this is a job of GitHub Actions. */
async function tellGithub(
  reporter: Reporter,
  { name, domain }: Pick<Project, 'name' | 'domain'>,
  site: string,
  { plan, live, activated }: DeployResult,
  summary: string,
): Promise<void> {
  const preview = activated?.preview
  const problem = await reportToGithub({
    project: name,
    done: {
      release: live ?? '',
      url: preview?.url ?? (domain === undefined ? site : `https://${domain}/`),
      ...(preview && { preview: preview.name }),
      summary: summary.split('\n')[0]!,
      changes: plan.changes.map(
        ({ kind, subject, name, reason }) =>
          `${SIGN[kind]} ${subject === 'file' ? name : `${subject} ${name}`}  ${reason}`,
      ),
    },
  })
  if (problem !== undefined) reporter.note(`warning: ${problem}`)
}

function printPlan(plan: Plan, reporter: Reporter): void {
  for (const { kind, subject, name, reason } of plan.changes.slice(0, MAX_CHANGES_SHOWN)) {
    const what = subject === 'file' ? name : subject === name ? name : `${subject} ${name}`
    reporter.line(`${SIGN[kind]} ${what}  ${reporter.dim(reason)}`)
  }
  const more = plan.changes.length - MAX_CHANGES_SHOWN
  if (more > 0) reporter.line(`  … and ${more} more; --json has them all`)
}

function summarise(
  { plan, activated, live, uploaded }: DeployResult,
  ofProject: string,
  site: string,
  target: Pick<FoundTarget, 'describeConfirmed'>,
  { isDryRun, durationMs }: { isDryRun: boolean; durationMs: number },
): string {
  const { added, changed, removed, unchanged } = plan.files
  const total = added + changed + unchanged
  const files = `${formatCount(total, 'file')}: ${added} added, ${changed} changed, ${removed} removed, ${unchanged} unchanged`
  if (isDryRun) return `${files}\ndry run: nothing was changed`
  if (activated === undefined) {
    const unchanged = `${files}\nnothing differs from ${live} ${ofProject}, which stays live on ${site}`
    if (uploaded.blobs === 0) return unchanged
    const were = uploaded.blobs === 1 ? 'was' : 'were'
    return `${unchanged}; ${formatCount(uploaded.blobs, 'object')} ${were} missing and ${were} sent again`
  }
  const migrated =
    activated.migrated.length === 0
      ? ''
      : `, ${formatCount(activated.migrated.length, 'migration')} applied`
  const confirmed = target.describeConfirmed(activated.confirmedBy)
  const { preview } = activated
  const isWhere =
    preview === undefined
      ? `is live on ${site}`
      : `is preview ${preview.name} on ${preview.url} for ${formatRest(preview.expiresMs - Date.now())}`
  return [
    `${files}; ${formatCount(uploaded.blobs, 'object')} uploaded${migrated}`,
    `${activated.id} ${ofProject} ${isWhere}, confirmed by ${confirmed}, after ${formatDuration(durationMs)}`,
    ...(preview === undefined || preview.localUrl === preview.url
      ? []
      : [`on the cloud's own machine: ${preview.localUrl}`]),
  ].join('\n')
}

function toJson({ plan, activated, live, uploaded }: DeployResult, isDryRun: boolean) {
  return {
    release: live ?? null,
    isNew: activated !== undefined,
    isDryRun,
    ...plan,
    uploaded,
    migrated: activated?.migrated ?? [],
    confirmedBy: activated?.confirmedBy ?? [],
    manifestSha256: activated?.manifestSha256,
  }
}

/** What a script wants to know of a preview. The password is told this once: it is kept hashed. */
function previewResult({ activated }: DeployResult, password: string | undefined) {
  const preview = activated?.preview
  if (preview === undefined) return undefined
  const { name, url, localUrl, expiresMs, database } = preview
  return {
    preview: name,
    ...{ url, localUrl },
    ...(password === undefined ? {} : { password }),
    expires: new Date(expiresMs).toISOString(),
    ...(database === undefined ? {} : { database }),
  }
}
