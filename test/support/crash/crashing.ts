import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { expect } from 'vitest'
import { loadProject } from '../../../src/config/load.ts'
import type { DeployResult } from '../../../src/deploy/deploy.ts'
import { blobsOf } from '../../../src/releases/manifest.ts'
import { freePort } from '../../../src/shared/free-port.ts'
import { type ControlClient, controlOf, deployFrom } from '../deploying.ts'
import { ask } from '../http.ts'
import {
  ROOT,
  remove,
  spawnMoka,
  startUp,
  type TestCloud,
  temporaryFolder,
  until,
  writeProject,
} from '../moka.ts'
import { untilGone } from '../processes.ts'

/** When a process is to die: before or after the `count`th such call on what `on` matches. */
export interface Moment {
  role: 'client' | 'server' | 'worker'
  call: string
  when: 'before' | 'after'
  /** A regular expression. */
  on: string
  count?: number
}

const PRELOAD = pathToFileURL(join(ROOT, 'test/support/crash/crash-at.mjs')).href
const HOST = 'crash.example'
const VISITORS = 3
const PAGES = ['/', '/about/', '/notes/'] as const
const REACH_MS = 30_000

/** A cloud with a site of many editions, visitors who look at it, and deploys that are killed. */
export class Crashing {
  readonly root: string
  readonly home: string
  readonly #database: boolean
  readonly #plan: string
  #ports: Record<string, number> | undefined
  cloud!: TestCloud
  client!: ControlClient
  /** What was acknowledged as live, by id: manifest hash. */
  readonly #acknowledged = new Map<string, string>()
  edition = 0

  private constructor(root: string, home: string, database: boolean) {
    this.root = root
    this.home = home
    this.#database = database
    this.#plan = join(root, 'crash.json')
  }

  static async open(name: string, options: { database?: boolean } = {}): Promise<Crashing> {
    const root = await temporaryFolder(name)
    const home = await temporaryFolder('home')
    const crashing = new Crashing(root, home, options.database === true)
    await crashing.start()
    await crashing.#write(1)
    await crashing.deploy()
    crashing.edition = 1
    return crashing
  }

  async close(): Promise<void> {
    this.client?.close()
    await this.cloud?.stop()
    await remove(this.root)
    await remove(this.home)
  }

  async start(): Promise<void> {
    // The same ports again: an upload goes on when the cloud is back.
    this.#ports ??= {
      '--site-port': await freePort(),
      '--control-port': await freePort(),
      '--dns-port': await freePort(),
      '--aws-port': await freePort(),
      '--https-port': 0,
      '--database-port': 0,
    }
    const ports = Object.entries(this.#ports).flatMap(([name, port]) => [name, String(port)])
    const env = this.#environment()
    this.cloud = await startUp(this.home, ports, { env, isEphemeral: false })
    this.client = await controlOf(this.home)
  }

  /** Deploys the next edition while the process of `moments[0]` is killed then, and so on. */
  async crash(moments: readonly [Moment, ...Moment[]]): Promise<void> {
    const { role } = moments[0]
    const next = this.edition + 1
    await this.#write(next)
    const visitors = this.#visit([this.edition, next])
    try {
      await writeFile(`${this.#plan}.new`, JSON.stringify(moments))
      await rename(`${this.#plan}.new`, this.#plan)
      if (role === 'client') await this.#killedClient()
      else if (role === 'worker') await this.deploy()
      else await this.#killedServer()
      expect(existsSync(this.#plan), 'the moment was met').toBe(false)
      await this.#expectWhole([this.edition, next])
      // No repair: what was not finished is done again by whoever deploys next.
      const result = await this.deploy()
      expect(result.activated?.confirmedBy ?? ['all']).not.toEqual([])
      this.edition = next
      await this.#expectWhole([next])
    } catch (error) {
      // The moments after this one are looked at all the same.
      await rm(this.#plan, { force: true })
      await this.deploy().catch(() => {})
      this.edition = next
      throw new Error(`${(error as Error).message}\n${this.cloud.errors()}`, { cause: error })
    } finally {
      await visitors.stop()
    }
    expect(visitors.wrong).toEqual([])
    if (role === 'client') expect(visitors.unanswered, 'requests without an answer').toEqual([])
    expect(visitors.answered(), 'answers').toBeGreaterThan(0)
  }

  /** As `moka deploy` does it, in this process. */
  async deploy(): Promise<DeployResult> {
    const result = await deployFrom(await loadProject(join(this.root, 'site')), this.client)
    const live = await this.client.live('site')
    expect(live?.id).toBe(result.live)
    this.#acknowledged.set(live!.id, live!.manifestSha256)
    return result
  }

  async #killedClient(): Promise<void> {
    const env = { MOKA_HOME: this.home, ...this.#environment() }
    const child = spawnMoka(['deploy', '--json'], { cwd: join(this.root, 'site'), env })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', text => (output += text))
    const signal = await new Promise(resolve => child.once('exit', (_code, name) => resolve(name)))
    expect(signal, `it ended otherwise: ${output}`).toBe('SIGKILL')
  }

  async #killedServer(): Promise<void> {
    const outcome = deployFrom(await loadProject(join(this.root, 'site')), this.client).then(
      () => undefined,
      (error: Error) => error,
    )
    const isMet = () => !existsSync(this.#plan)
    await until(isMet, REACH_MS, 'the moment')
    await untilGone([this.cloud.pid], 30_000)
    const { client } = this
    await this.start()
    // Either it goes on by itself, or says that it cannot tell.
    const error = await outcome
    client.close()
    expect((error as { code?: string } | undefined)?.code ?? 'none').toMatch(
      /^(?:CONTROL_CUT_OFF|CONTROL_UNREACHABLE|none)$/,
    )
  }

  /** What is live is one of the editions, blob by blob and page by page; no release was lost. */
  async #expectWhole(editions: readonly number[]): Promise<void> {
    const live = (await this.client.live('site'))!
    const edition = editions.find(each => {
      const about = createHash('sha256').update(contentOf(each)['/about/']!).digest('hex')
      return live.manifest.files['/about/index.html']?.sha256 === about
    })
    expect(edition, `${live.id} is one of the two editions`).toBeDefined()
    const content = contentOf(edition!)
    for (const [path, text] of Object.entries(content)) {
      const file = live.manifest.files[path.replace(/\/$/, '/index.html')]
      expect(file?.sha256, path).toBe(createHash('sha256').update(text).digest('hex'))
      const answer = await ask(this.cloud.addresses.site, path, { host: HOST })
      expect([answer.status, answer.body.toString()], path).toEqual([200, text])
      expect(answer.headers['x-moka-release']).toBe(live.id)
    }
    for (const { sha256 } of blobsOf(live.manifest)) {
      const bytes = await readFile(join(this.home, 'bucket/blobs', sha256))
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256)
    }
    const listed = new Map(
      (await this.client.releases('site')).map(({ id, manifestSha256 }) => [id, manifestSha256]),
    )
    for (const [id, sha256] of this.#acknowledged) expect(listed.get(id), id).toBe(sha256)
  }

  /** People who look at pages and at what these name; each answer is of one of the editions. */
  #visit(editions: readonly number[]) {
    const contents = new Map(editions.map(edition => [edition, contentOf(edition)]))
    const wrong: string[] = []
    const unanswered: string[] = []
    const editionOf = new Map<string, number>()
    let answered = 0
    let isStopped = false
    const get = async (path: string) => {
      try {
        const answer = await ask(this.cloud.addresses.site, path, { host: HOST })
        answered++
        return answer
      } catch (error) {
        unanswered.push(`${path}: ${error}`)
        await delay(5)
        return undefined
      }
    }
    const look = async (path: (typeof PAGES)[number]) => {
      const page = await get(path)
      if (page === undefined) return
      const text = page.body.toString()
      const [edition, content] = [...contents].find(([, files]) => files[path] === text) ?? []
      const id = String(page.headers['x-moka-release'])
      if (page.status !== 200 || edition === undefined || content === undefined) {
        return wrong.push(`${path}: ${page.status} ${id} ${text.slice(0, 200)}`)
      }
      if ((editionOf.get(id) ?? edition) !== edition) wrong.push(`${path}: two editions of ${id}`)
      editionOf.set(id, edition)
      for (const asset of assetsIn(text)) {
        const answer = await get(asset)
        if (answer === undefined) continue
        if (answer.status !== 200 || answer.body.toString() !== content[asset]) {
          wrong.push(`${asset}, named by ${path} of ${id}: ${answer.status}`)
        }
      }
    }
    const people = Array.from({ length: VISITORS }, async (_, index) => {
      for (let turn = index; !isStopped; turn++) {
        await look(PAGES[turn % PAGES.length]!)
        await delay(3)
      }
    })
    return {
      wrong,
      unanswered,
      answered: () => answered,
      async stop() {
        isStopped = true
        await Promise.all(people)
      },
    }
  }

  #environment(): Record<string, string> {
    return { NODE_OPTIONS: `--import=${PRELOAD}`, MOKA_CRASH_FILE: this.#plan }
  }

  async #write(edition: number): Promise<void> {
    const files: Record<string, string> = {
      'moka.config.ts': `export default {
        name: 'site',
        domain: '${HOST}',
        site: { build: 'rm -rf dist && cp -rp pages dist', directory: 'dist' },
        ${this.#database ? 'database: true,' : ''}
      }\n`,
    }
    for (const [path, text] of Object.entries(contentOf(edition))) {
      files[`pages${path.replace(/\/$/, '/index.html')}`] = text
    }
    for (const letter of this.#database ? ['a', 'b'] : []) {
      const name = `${String(edition).padStart(3, '0')}${letter}`
      files[`migrations/${name}.sql`] = `create table t_${name} (id int);\n`
    }
    await remove(join(this.root, 'site', 'pages'))
    const site = join(this.root, 'site')
    await writeProject(site, files)
    // Long enough ago for the client to keep their hashes, and of each edition another time.
    for (const path of Object.keys(files)) await utimes(join(site, path), edition, edition)
  }
}

/** By URL path: pages, and what only they of this edition name. */
function contentOf(edition: number): Record<string, string> {
  const hash = `a1${edition.toString(16).padStart(8, '0')}`
  const text = `<p>edition ${edition}</p>`.repeat(20)
  const page = (name: string) =>
    `<!doctype html><html lang="en"><title>${name}</title>` +
    `<link rel="stylesheet" href="/assets/main.${hash}.css"><script src="/assets/app.${hash}.js">` +
    `</script>${name}${text}</html>`
  return {
    ...Object.fromEntries(PAGES.map(path => [path, page(path)])),
    '/data.bin': String(edition).padStart(4, '0').repeat(75_000),
    [`/assets/main.${hash}.css`]: `p { content: '${edition}' }\n`.repeat(20),
    [`/assets/app.${hash}.js`]: `export default ${edition}\n`.repeat(20),
  }
}

function assetsIn(html: string): string[] {
  return [...html.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map(match => match[1]!)
}
