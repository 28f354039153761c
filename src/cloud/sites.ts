import type { DnsServer } from '../dns/server.ts'
import type { Functions } from '../functions/functions.ts'
import { hasPython } from '../functions/runtimes/python/interpreter.ts'
import type { ReleaseDraft } from '../releases/manifest.ts'
import { previewKey, projectOfSite } from '../releases/previews/preview-name.ts'
import type { Preview } from '../releases/previews/previews.ts'
import type { ReleaseSigner } from '../releases/provenance.ts'
import type { LiveChange } from '../releases/releases.ts'
import { MokaError } from '../shared/errors.ts'
import type { ChallengeResponder } from '../tls/acme/challenges.ts'
import type { FunctionVersions } from './function-versions.ts'
import type { Https, ServedHosts } from './https/https.ts'
import { previewHosts } from './previews/preview-addresses.ts'
import type { EdgeWorkers } from './workers/edge-workers.ts'
import type { SiteMessage } from './workers/worker-protocol.ts'
import { zoneOf } from './zones.ts'

type Live = Pick<LiveChange, 'release' | 'pointer'>

/** What every part serves of the live releases, and how a change of one reaches them all. */
export class Sites {
  readonly #versions: FunctionVersions
  readonly #functions: Pick<Functions, 'retire'>
  readonly #dns: Pick<DnsServer, 'setZones'>
  readonly #addresses: readonly string[]
  readonly #isDisabled: (project: string) => boolean
  readonly #signer: Pick<ReleaseSigner, 'sign'> | undefined
  readonly #live = new Map<string, Live>()
  /** By {@link previewKey}. */
  readonly #previews = new Map<string, Preview>()
  readonly #statements = new WeakMap<Live['release'], string>()
  /** Manifest hash of what is about to go live, by project, or to be shown by preview. */
  readonly #next = new Map<string, string>()
  /** TXT records of DNS-01 challenges under way: absolute name and value. */
  readonly #challenges: { name: string; value: string }[] = []
  #only: string | undefined
  #workers: EdgeWorkers | undefined
  #https: Https | undefined

  constructor(options: {
    versions: FunctionVersions
    functions: Pick<Functions, 'retire'>
    dns: Pick<DnsServer, 'setZones'>
    addresses: readonly string[]
    /** Whether a project is switched off, however often it is deployed. Default: none is. */
    isDisabled?: (project: string) => boolean
    /** Signs what the sites say of their releases. Default: they say nothing. */
    signer?: Pick<ReleaseSigner, 'sign'>
  }) {
    this.#versions = options.versions
    this.#functions = options.functions
    this.#dns = options.dns
    this.#addresses = options.addresses
    this.#isDisabled = options.isDisabled ?? (() => false)
    this.#signer = options.signer
  }

  serveWith(workers: EdgeWorkers, https?: Https): void {
    this.#workers = workers
    this.#https = https
  }

  /** From this project's next activation on it alone is served; no other one's domain is in its way. */
  serveOnly(project: string): void {
    this.#only = project
  }

  /** What certificates are needed for. */
  hosts(): ServedHosts[] {
    return [...this.#live].map(([project, { release }]) => {
      const { domain } = release.manifest
      const hasPreviews = [...this.#previews.keys()].some(key => projectOfSite(key) === project)
      return {
        project,
        ...(domain === undefined ? {} : { domain }),
        ...(hasPreviews && { hasPreviews }),
      }
    })
  }

  /** Shows, and hides again, what an ACME authority looks for in the zones (RFC 8555 §8.4). */
  readonly dnsChallenges: Pick<ChallengeResponder, 'publish' | 'retract'> = {
    publish: async challenge => {
      if (challenge.type !== 'dns-01') return
      this.#challenges.push({ name: `${challenge.recordName}.`, value: challenge.value })
      this.#serveZones()
    },
    retract: async challenge => {
      if (challenge.type !== 'dns-01') return
      const index = this.#challenges.findIndex(({ value }) => value === challenge.value)
      if (index >= 0) this.#challenges.splice(index, 1)
      this.#serveZones()
    },
  }

  /** Throws when this cloud cannot serve the release; nothing has changed then. */
  check(release: ReleaseDraft): void {
    zoneOf(release, this.#addresses, 1)
    for (const [project, { release: other }] of this.#live) {
      if (project === release.project || release.domain === undefined) continue
      if (release.project === this.#only) continue
      if (other.manifest.domain !== release.domain) continue
      throw new MokaError(
        'CLOUD_DOMAIN_TAKEN',
        `cannot deploy project "${release.project}": its domain "${release.domain}" belongs to project "${project}" here`,
        { hint: 'give one of the two another domain in moka.config.ts' },
      )
    }
    for (const [name, definition] of Object.entries(release.functions)) {
      if (definition.runtime !== 'python' || hasPython()) continue
      throw new MokaError(
        'CLOUD_PYTHON_MISSING',
        `cannot run function "${name}": it needs Python 3.9 or newer, and this machine has none`,
        { hint: 'install Python, or write the function in TypeScript' },
      )
    }
  }

  /** Takes up a live release without telling the workers, which are not there yet. */
  restore(live: Live): void {
    const { project } = live.release.manifest
    for (const other of project === this.#only ? [...this.#live.keys()] : []) {
      if (other !== project) this.#live.delete(other)
    }
    for (const [key, preview] of project === this.#only ? [...this.#previews] : []) {
      if (preview.project !== project) this.#previews.delete(key)
    }
    this.#live.set(project, live)
    this.#next.delete(project)
    this.#versions.add(live.release.manifest)
    this.#serveZones()
  }

  /**
   * Makes a release live in every part; the ids of the edge workers that confirmed it. The first
   * worker that serves a new page sends its visitor to any worker for the assets it names: so all
   * of them have these before one of them has the page.
   */
  async announce(change: LiveChange): Promise<string[]> {
    const { manifest, manifestSha256 } = change.release
    const { project } = manifest
    if (this.#live.has(project)) {
      this.#next.set(project, manifestSha256)
      await this.#workers?.prepare(this.messages())
    }
    this.restore(change)
    const confirmed = await this.#workers?.setSites(this.messages(), {
      project,
      manifestSha256,
      invalidate: change.invalidate,
    })
    this.#functions.retire(id => this.#versions.has(id))
    await this.#https?.serve(this.hosts())
    return confirmed ?? []
  }

  /** Takes up a preview without telling the workers. */
  restorePreview(preview: Preview): void {
    const { project, release, pointer } = preview
    const key = previewKey(project, pointer.name)
    this.#previews.set(key, preview)
    this.#next.delete(key)
    this.#versions.addPreview(key, release.manifest, pointer.database?.name)
  }

  /** Shows a preview, or what it shows from now on, as `announce` makes a release live. */
  async show(preview: Preview, invalidate: string[]): Promise<string[]> {
    const { manifestSha256 } = preview.pointer
    const key = previewKey(preview.project, preview.pointer.name)
    if (this.#previews.has(key)) {
      this.#next.set(key, manifestSha256)
      await this.#workers?.prepare(this.messages())
    }
    this.restorePreview(preview)
    const change = { project: key, manifestSha256, invalidate }
    const confirmed = await this.#workers?.setSites(this.messages(), change)
    this.#functions.retire(id => this.#versions.has(id))
    await this.#https?.serve(this.hosts())
    return confirmed ?? []
  }

  /** No part knows the preview any more, when it resolves. */
  async hide({ project, pointer }: Preview): Promise<void> {
    await this.#withdraw(previewKey(project, pointer.name))
  }

  /** No part knows the project any more, when it resolves. */
  async withdraw(project: string): Promise<void> {
    await this.#withdraw(project)
  }

  async #withdraw(key: string): Promise<void> {
    this.#live.delete(key)
    this.#previews.delete(key)
    this.#next.delete(key)
    this.#versions.remove(key)
    this.#serveZones()
    await this.#workers?.prepare(this.messages())
    await this.#workers?.invalidate(key, ['/*'])
    this.#functions.retire(id => this.#versions.has(id))
    await this.#https?.serve(this.hosts())
  }

  /** Tells every worker anew what to serve, when it resolves. */
  async refresh(): Promise<void> {
    await this.#workers?.prepare(this.messages())
  }

  messages(): SiteMessage[] {
    const live = [...this.#live].map(([project, live]) =>
      this.#messageOf(project, hostsOf(live.release.manifest), live),
    )
    const previews = [...this.#previews].map(([key, preview]) => {
      const { name, passwordHash } = preview.pointer
      const hosts = previewHosts(preview.project, name, this.#domainOf(preview))
      const lock = passwordHash === undefined ? {} : { passwordHash }
      return { ...this.#messageOf(key, hosts, preview), preview: { name, ...lock } }
    })
    return [...live, ...previews]
  }

  #messageOf(key: string, hosts: string[], { release, pointer }: Live): SiteMessage {
    const next = this.#next.get(key)
    return {
      project: key,
      hosts,
      manifestSha256: release.manifestSha256,
      ...(this.#signer && { statement: this.#statementOf(release, this.#signer) }),
      retained: pointer.retained.map(retained => retained.manifestSha256),
      ...(next === undefined ? {} : { next }),
      ...(this.#isDisabled(projectOfSite(key)) && { isDisabled: true as const }),
    }
  }

  /** Of the live site, beside which a preview is; a branch may have another in mind. */
  #domainOf({ project, release }: Preview): string | undefined {
    const live = this.#live.get(project)?.release ?? release
    return live.manifest.domain
  }

  #statementOf(release: Live['release'], signer: Pick<ReleaseSigner, 'sign'>): string {
    let statement = this.#statements.get(release)
    if (statement === undefined) {
      const { manifest, manifestSha256 } = release
      statement = JSON.stringify(signer.sign(manifest, manifestSha256), null, 2)
      this.#statements.set(release, statement)
    }
    return statement
  }

  #serveZones(): void {
    const zones = [...this.#live.values()].flatMap(({ release, pointer }) => {
      return zoneOf(release.manifest, this.#addresses, pointer.serial, this.#challenges) ?? []
    })
    this.#dns.setZones(zones)
  }
}

function hostsOf({ project, domain }: ReleaseDraft): string[] {
  const local = `${project}.localhost`
  return domain === undefined ? [local] : [domain, `www.${domain}`, local]
}
