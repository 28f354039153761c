import { join, relative } from 'node:path'
import type { RunningCloud } from '../../cloud/open-cloud.ts'
import { loadProject } from '../../config/load.ts'
import type { Project } from '../../config/project.ts'
import { deploy } from '../../deploy/deploy.ts'
import type { FunctionLogEntry } from '../../functions/version.ts'
import { systemClock } from '../../shared/clock.ts'
import { formatError } from '../../shared/errors.ts'
import { ownVersion } from '../../shared/own-version.ts'
import { DevNews, RUNTIME_NAMES } from '../dev-news.ts'
import { Echoes } from '../following/echoes.ts'
import { ignoredPaths } from '../following/ignored-paths.ts'
import { watchTree } from '../following/watch-tree.ts'
import { createReporter, type Reporter } from '../reporter.ts'
import { observeDeploy } from './deploy.ts'
import { ownLogger, type PortOptions, portsOf, runCloud } from './run-cloud.ts'

/** Changes that come together are deployed together. */
const SETTLE_MS = 60

/** `moka dev`: the whole cloud for the project one stands in. */
export async function dev(options: PortOptions & { json?: boolean }): Promise<void> {
  const reporter = createReporter(options.json === true)
  const project = await loadProject(process.cwd())
  const news = new DevNews(reporter)
  await runCloud(
    {
      mode: 'dev',
      only: project.name,
      onLive: (_project, release) => news.live(release),
      directory: join(project.root, '.moka'),
      ports: portsOf(options),
      host: '127.0.0.1',
      addresses: ['127.0.0.1'],
      workers: 1,
      trustedProxies: [],
      https: { kind: 'local', directory: join(project.root, '.moka', 'tls') },
      version: ownVersion(),
      logger: ownLogger(reporter),
    },
    async (cloud, signal) => {
      // Watching begins before the files are read, so that no change falls in between.
      const follow = followFailures(cloud, news)
      const run = { cloud, reporter, news, follow, signal }
      const { follower, isWatching } = watchProject(project, run)
      const { live } = await deploy(
        project,
        cloud.api,
        { clock: systemClock, deferMigrations: true, signal },
        observeDeploy(reporter),
      )
      await isWatching
      if (signal.aborted) return
      await reportReady(cloud, project, live ?? '', reporter)
      news.ready()
      follow(project.name)
      follower.begin()
    },
  )
}

interface DevRun {
  cloud: RunningCloud
  reporter: Reporter
  news: DevNews
  /** Follows the failures of that project. */
  follow(project: string): void
  signal: AbortSignal
}

function watchProject(
  initial: Project,
  run: DevRun,
): { follower: Follower; isWatching: Promise<void> } {
  const { cloud, reporter, news, signal } = run
  let project = initial
  let isIgnored = ignoredPaths(project)
  const follower = new Follower(async () => {
    news.deploying()
    try {
      project = await loadProject(initial.root)
      isIgnored = ignoredPaths(project)
      cloud.serveOnly(project.name)
      return await deployChange(project, run)
    } catch (error) {
      if (!signal.aborted) news.failed(error)
      return false
    }
  }, signal)
  const tree = watchTree(
    initial.root,
    path => isIgnored(path),
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
    ...(project.database.kind === 'embedded' ? ['The database starts when it is first used.'] : []),
    `Data is kept in ${shownPath(join(project.root, '.moka'))}.`,
    `A changed file in ${shownPath(project.root) || 'this folder'} is live at once.`,
    'Ctrl-C ends everything.',
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
  readonly #deploy: () => Promise<boolean>
  readonly #echoes = new Echoes()
  readonly #changed = new Set<string>()
  readonly #signal: AbortSignal
  #timer: NodeJS.Timeout | undefined
  #isBusy = true // until `begin`
  #isStale = false

  /** `deploy` tells whether it made a release. */
  constructor(deploy: () => Promise<boolean>, signal: AbortSignal) {
    this.#deploy = deploy
    this.#signal = signal
    signal.addEventListener('abort', () => clearTimeout(this.#timer))
  }

  readonly changed = (path: string): void => {
    this.#changed.add(path)
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
      const isNews = this.#echoes.isNews(this.#changed, performance.now())
      this.#changed.clear()
      if (isNews) this.#echoes.ended(await this.#deploy(), performance.now())
    }
    this.#isBusy = false
  }
}

async function deployChange(
  project: Project,
  { cloud, reporter, news, follow, signal }: DevRun,
): Promise<boolean> {
  const startMs = performance.now()
  const result = await deploy(
    project,
    cloud.api,
    { clock: systemClock, signal },
    observeDeploy(reporter),
  )
  news.deployed(result, project, cloud.addresses.site, performance.now() - startMs)
  follow(project.name)
  return result.activated !== undefined
}

/** Tells of the failures of the project's functions; of another one's once it is called otherwise. */
function followFailures(cloud: RunningCloud, news: DevNews): (project: string) => void {
  let followed = ''
  let stop = () => {}
  return project => {
    if (project === followed) return
    stop()
    followed = project
    const onEntry = (entry: FunctionLogEntry) => news.logged(entry)
    stop = cloud.api.followLogs(project, undefined, 0, onEntry, () => {})
  }
}

/** As it is reached from where the command was given, which `npm start` leaves. */
function shownPath(path: string): string {
  const shown = relative(process.env.INIT_CWD ?? process.cwd(), path)
  return shown.startsWith('..') ? path : shown
}
