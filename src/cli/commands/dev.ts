import { join, relative } from 'node:path'
import { watch } from 'chokidar'
import type { RunningCloud } from '../../cloud/open-cloud.ts'
import { loadProject } from '../../config/load.ts'
import type { Project } from '../../config/project.ts'
import { deploy } from '../../deploy/deploy.ts'
import { systemClock } from '../../shared/clock.ts'
import { formatError } from '../../shared/errors.ts'
import { ownVersion } from '../program.ts'
import { createReporter, formatCount, formatDuration, type Reporter } from '../reporter.ts'
import { observeDeploy } from './deploy.ts'
import { ownLogger, type PortOptions, portsOf, runCloud } from './run-cloud.ts'

/** Changes that come together are deployed together. */
const SETTLE_MS = 60

/** `moka dev`: the whole cloud for the project one stands in. */
export async function dev(options: PortOptions & { json?: boolean }): Promise<void> {
  const reporter = createReporter(options.json === true)
  const project = await loadProject(process.cwd())
  await runCloud(
    {
      mode: 'dev',
      directory: join(project.root, '.moka'),
      ports: portsOf(options),
      host: '127.0.0.1',
      addresses: ['127.0.0.1'],
      workers: 1,
      trustedProxies: [],
      version: ownVersion(),
      logger: ownLogger(),
    },
    async (cloud, signal) => {
      const { live } = await deploy(
        project,
        cloud.api,
        { clock: systemClock, deferMigrations: true },
        observeDeploy(reporter),
      )
      await reportReady(cloud, project, live ?? '', reporter)
      if (!signal.aborted) followChanges(project, cloud, reporter, signal)
    },
  )
}

async function reportReady(
  cloud: RunningCloud,
  project: Project,
  release: string,
  reporter: Reporter,
): Promise<void> {
  const { DATABASE_URL } = await cloud.api.environment(project.name)
  const addresses = {
    ...cloud.addresses,
    ...(DATABASE_URL === undefined ? {} : { database: DATABASE_URL }),
  }
  const functions = project.functions.map(
    ({ name, runtime, routes }) =>
      `  ${name.padEnd(9)} ${runtime === 'python' ? 'Python' : 'Node'}, ${routes[0]}`,
  )
  reporter.result(
    addresses,
    [
      '',
      `  ${reporter.bold(project.name)} ${reporter.dim(`${release}, mokapot ${ownVersion()}`)}`,
      '',
      ...Object.entries(addresses).map(([name, address]) => `  ${name.padEnd(9)} ${address}`),
      ...(functions.length === 0 ? [] : ['', ...functions]),
      '',
      `  ${reporter.dim('A change of a file is live at once. Ctrl-C ends everything.')}`,
    ].join('\n'),
  )
}

/** Deploys again whenever a file of the project changes, until the signal. */
function followChanges(
  initial: Project,
  cloud: RunningCloud,
  reporter: Reporter,
  signal: AbortSignal,
): void {
  let project = initial
  let timer: NodeJS.Timeout | undefined
  let isDeploying = false
  let isStale = false
  const redeploy = async () => {
    if (isDeploying) {
      isStale = true
      return
    }
    isDeploying = true
    do {
      isStale = false
      try {
        project = await loadProject(initial.root)
        await deployChange(project, cloud, reporter)
      } catch (error) {
        reporter.note(formatError(error))
      }
    } while (isStale && !signal.aborted)
    isDeploying = false
  }
  const watcher = watch(initial.root, {
    ignoreInitial: true,
    ignored: path => isIgnored(path, project),
  })
  watcher.on('all', () => {
    clearTimeout(timer)
    timer = setTimeout(() => void redeploy(), SETTLE_MS)
  })
  watcher.on('error', error => reporter.note(`cannot follow changes: ${formatError(error)}`))
  signal.addEventListener('abort', () => {
    clearTimeout(timer)
    void watcher.close()
  })
}

async function deployChange(
  project: Project,
  cloud: RunningCloud,
  reporter: Reporter,
): Promise<void> {
  const startMs = performance.now()
  const { activated, plan } = await deploy(
    project,
    cloud.api,
    { clock: systemClock },
    observeDeploy(reporter),
  )
  if (activated === undefined) return
  const duration = formatDuration(performance.now() - startMs)
  reporter.note(
    `${formatCount(plan.changes.length, 'change')} live as ${activated.id} after ${duration}`,
  )
}

/** What is never a source: our data, packages, other tools' dotfolders, and what the build writes. */
function isIgnored(path: string, project: Project): boolean {
  const local = relative(project.root, path)
  if (/(?:^|\/)(?:\.moka|\.git|node_modules|__pycache__)(?:\/|$)/.test(local)) return true
  return project.site?.build !== undefined && path.startsWith(project.site.directory)
}
