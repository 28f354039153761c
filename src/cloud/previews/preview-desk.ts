import type { Activated, CloudAddresses, LiveRelease } from '../../control/cloud-api.ts'
import type {
  ListedPreview,
  PreviewRequest,
  PreviewsApi,
} from '../../control/previews/previews-api.ts'
import type { ReleaseDraft } from '../../releases/manifest.ts'
import { previewKey, previewNameOf } from '../../releases/previews/preview-name.ts'
import type { Preview, Previews } from '../../releases/previews/previews.ts'
import type { ActivationStep } from '../../releases/releases.ts'
import { hashPassword } from '../../shared/password-hash.ts'
import { checkPreviewHosts, previewHosts, previewUrls } from './preview-addresses.ts'

export interface PreviewDeskParts {
  previews: Previews
  /** What of a project is live, whose domain its previews are below. */
  live(project: string): Pick<ReleaseDraft, 'domain'> | undefined
  addresses(): CloudAddresses
  mode: 'dev' | 'up'
}

/** What commands ask about previews. */
export class PreviewDesk implements PreviewsApi {
  readonly #parts: PreviewDeskParts

  constructor(parts: PreviewDeskParts) {
    this.#parts = parts
  }

  async list(project: string): Promise<ListedPreview[]> {
    return this.#parts.previews
      .list(project)
      .map(preview => this.#describe(preview))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async shown(project: string, name: string): Promise<LiveRelease | undefined> {
    const found = this.#parts.previews.find(previewKey(project, previewNameOf(name)))
    return found && { id: found.pointer.id, ...found.release }
  }

  /** Of the preview of a branch; undefined where there is none. */
  addressOf(project: string, branch: string): string | undefined {
    const found = this.#parts.previews.find(previewKey(project, previewNameOf(branch)))
    return found && this.#describe(found).url
  }

  remove(project: string, name: string): Promise<void> {
    return this.#parts.previews.remove(project, previewNameOf(name))
  }

  async publish(
    draft: ReleaseDraft,
    { password, name: given, lifetimeMs, database }: PreviewRequest,
    base: string | null,
    onStep?: (step: ActivationStep) => void,
  ): Promise<Activated> {
    const name = previewNameOf(given)
    checkPreviewHosts(this.#hostsOf(name, draft))
    const published = await this.#parts.previews.publish(draft, {
      ...{ name, base },
      ...(lifetimeMs === undefined ? {} : { lifetimeMs }),
      ...(password === undefined ? {} : { passwordHash: await hashPassword(password) }),
      ...(database === undefined ? {} : { database }),
      ...(onStep === undefined ? {} : { onStep }),
    })
    const { release, migrated, confirmedBy } = published
    return {
      id: release.manifest.id,
      manifestSha256: release.manifestSha256,
      ...{ migrated, confirmedBy, preview: this.#describe(published) },
    }
  }

  #describe({ release, pointer }: Preview): ListedPreview {
    const { name, createdMs, expiresMs, passwordHash, database } = pointer
    const { source } = release.manifest
    const { addresses, mode } = this.#parts
    return {
      name,
      release: pointer.id,
      ...previewUrls(this.#hostsOf(name, release.manifest), addresses(), mode),
      ...{ createdMs, deployedMs: pointer.activatedMs, expiresMs },
      isLocked: passwordHash !== undefined,
      ...(database === undefined ? {} : { database: database.kind }),
      ...(source.commit === undefined ? {} : { commit: source.commit }),
      ...(source.branch === undefined ? {} : { branch: source.branch }),
    }
  }

  #hostsOf(name: string, release: ReleaseDraft): string[] {
    const { domain } = this.#parts.live(release.project) ?? release
    return previewHosts(release.project, name, domain)
  }
}
