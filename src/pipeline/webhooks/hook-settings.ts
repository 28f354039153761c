import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../../shared/atomic-file.ts'
import { MokaError, systemErrorCode } from '../../shared/errors.ts'
import type { PushDelivery } from './delivery.ts'

/** What a cloud knows of a project's repository elsewhere. */
export interface HookSettings {
  /** What deliveries are signed with. */
  secret: string
  /** Address that it is fetched from, by HTTP. */
  repository?: string
  /** Reads it where it is private, and writes the statuses of commits. */
  token?: string
  /** Deliveries that were taken and are not done yet, oldest first. */
  pending: PushDelivery[]
  last?: HookOutcome
}

export interface HookOutcome {
  commit: string
  isLive: boolean
  /** When it ended, ISO 8601. */
  at: string
  /** Its end. */
  log: string
}

/** The settings of each project, in a file of mode 0600. */
export class HookStore {
  readonly #directory: string
  /** Changes of one project follow one another. */
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(directory: string) {
    this.#directory = directory
  }

  static async open(directory: string): Promise<HookStore> {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    for (const name of await readdir(directory)) {
      if (name.endsWith('.tmp')) await rm(join(directory, name), { force: true })
    }
    return new HookStore(directory)
  }

  async projects(): Promise<string[]> {
    const names = await readdir(this.#directory)
    return names.filter(name => name.endsWith('.json')).map(name => name.slice(0, -'.json'.length))
  }

  /** Undefined where nobody has asked for any. */
  async read(project: string): Promise<HookSettings | undefined> {
    try {
      return JSON.parse(await readFile(this.#path(project), 'utf8')) as HookSettings
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return undefined
      throw error
    }
  }

  /** Makes settings with a new secret where there are none yet. */
  change(project: string, change: (settings: HookSettings) => HookSettings): Promise<HookSettings> {
    const apply = async () => {
      const before = await this.read(project)
      const after = change(before ?? { secret: randomBytes(32).toString('hex'), pending: [] })
      await writeFileAtomic(this.#path(project), `${JSON.stringify(after, null, 2)}\n`)
      return after
    }
    const turn = (this.#turns.get(project) ?? Promise.resolve()).then(apply, apply)
    this.#turns.set(project, turn)
    return turn
  }

  #path(project: string): string {
    return join(this.#directory, `${project}.json`)
  }
}

/** Throws `PIPELINE_BAD_REPOSITORY` for what cannot be fetched from here. */
export function checkRepository(address: string): void {
  const url = URL.canParse(address) ? new URL(address) : undefined
  const refuse = (reason: string, hint: string) =>
    new MokaError('PIPELINE_BAD_REPOSITORY', `cannot fetch from "${address}": ${reason}`, { hint })
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw refuse('it is no address of HTTP', 'as in https://github.com/lena/portfolio.git')
  }
  if (url.username === '' && url.password === '') return
  throw new MokaError(
    'PIPELINE_BAD_REPOSITORY',
    `cannot fetch from "${url.host}${url.pathname}": the address holds a password`,
    { hint: 'give it as --token-file, which keeps it out of logs' },
  )
}
