import { join, relative, sep } from 'node:path'
import type { RunningCloud } from '../../cloud/open-cloud.ts'
import { loadProject } from '../../config/load.ts'
import type { Project } from '../../config/project.ts'
import { deploy } from '../../deploy/deploy.ts'
import { systemClock } from '../../shared/clock.ts'
import { formatError } from '../../shared/errors.ts'
import { ownVersion } from '../program.ts'
import { createReporter, formatCount, formatDuration, type Reporter } from '../reporter.ts'
import { watchTree } from '../watch-tree.ts'
import { observeDeploy } from './deploy.ts'
import { ownLogger, type PortOptions, portsOf, runCloud } from './run-cloud.ts'

/** Changes that come together are deployed together. */
const SETTLE_MS = 60
const RUNTIME_NAMES = { python: 'Python', node: 'Node' } as const
const TOOL_FOLDERS = new Set(['node_modules', '__pycache__'])

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
      https: { kind: 'local', directory: join(project.root, '.moka', 'tls') },
      version: ownVersion(),
      logger: ownLogger(),
    },
    async (cloud, signal) => {
      // Watching begins before the files are read, so that no change falls in between.
      const { follower, isWatching } = watchProject(project, cloud, reporter, signal)
      const { live } = await deploy(
        project,
        cloud.api,
        { clock: systemClock, deferMigrations: true, signal },
        observeDeploy(reporter),
      )
      await isWatching
      if (signal.aborted) return
      await reportReady(cloud, project, live ?? '', reporter)
      follower.begin()
    },
  )
}

function watchProject(
  initial: Project,
  cloud: RunningCloud,
  reporter: Reporter,
  signal: AbortSignal,
): { follower: Follower; isWatching: Promise<void> } {
  let project = initial
  const follower = new Follower(async () => {
    try {
      project = await loadProject(initial.root)
      await deployChange(project, cloud, reporter, signal)
    } catch (error) {
      if (!signal.aborted) reporter.note(formatError(error))
    }
  }, signal)
  const tree = watchTree(
    initial.root,
    path => isIgnored(path, project),
    follower.changed,
    error => reporter.note(`cannot follow changes: ${formatError(error)}`),
  )
  signal.addEventListener('abort', () => tree.close())
  return { follower, isWatching: tree.ready }
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
      `  ${'function'.padEnd(9)} ${name}, ${RUNTIME_NAMES[runtime]}, at ${routes[0]}`,
  )
  const notes = [
    ...(project.database.kind === 'embedded'
      ? ['The database starts when it is first used; its data is in .moka.']
      : []),
    'A changed file is live at once. Ctrl-C ends everything.',
  ]
  reporter.result(
    addresses,
    [
      '',
      `  ${reporter.bold(project.name)}  ${reporter.dim(`release ${release}, mokapot ${ownVersion()}`)}`,
      '',
      ...Object.entries(addresses).map(([name, address]) => `  ${name.padEnd(9)} ${address}`),
      ...functions,
      '',
      ...notes.map(note => `  ${reporter.dim(note)}`),
    ].join('\n'),
  )
}

/** Deploys again whenever something changes. */
class Follower {
  readonly #deploy: () => Promise<void>
  readonly #signal: AbortSignal
  #timer: NodeJS.Timeout | undefined
  #isBusy = true // until `begin`
  #isStale = false

  constructor(deploy: () => Promise<void>, signal: AbortSignal) {
    this.#deploy = deploy
    this.#signal = signal
    signal.addEventListener('abort', () => clearTimeout(this.#timer))
  }

  readonly changed = (): void => {
    clearTimeout(this.#timer)
    if (!this.#signal.aborted) this.#timer = setTimeout(() => void this.#run(), SETTLE_MS)
  }

  /** What changed before is deployed now. */
  begin(): void {
    this.#isBusy = false
    if (this.#isStale) void this.#run()
  }

  async #run(): Promise<void> {
    this.#isStale = true
    if (this.#isBusy) return
    this.#isBusy = true
    while (this.#isStale && !this.#signal.aborted) {
      this.#isStale = false
      await this.#deploy()
    }
    this.#isBusy = false
  }
}

async function deployChange(
  project: Project,
  cloud: RunningCloud,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<void> {
  const startMs = performance.now()
  const { activated, plan } = await deploy(
    project,
    cloud.api,
    { clock: systemClock, signal },
    observeDeploy(reporter),
  )
  if (activated === undefined) return
  const duration = formatDuration(performance.now() - startMs)
  reporter.note(
    `${formatCount(plan.changes.length, 'change')} live as ${activated.id} after ${duration}`,
  )
}

/**
 * What is never a source: packages, dotfiles (our data, git's, other tools' caches, editors' swap
 * files), and what the build writes: its folder and, beside it, `dist.tmp` and the like.
 */
function isIgnored(path: string, { root, site }: Project): boolean {
  const names = relative(root, path).split(sep)
  const isOfTools = (name: string) =>
    (name.startsWith('.') && name !== '.well-known') || TOOL_FOLDERS.has(name)
  if (names.some(isOfTools)) return true
  if (site?.build === undefined) return false
  const { directory } = site
  return path === directory || path.startsWith(`${directory}.`) || path.startsWith(directory + sep)
}
