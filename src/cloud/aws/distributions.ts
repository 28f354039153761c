import { isDeepStrictEqual } from 'node:util'
import { AwsError } from '../../aws/errors.ts'
import {
  type Distribution,
  type DistributionSettings,
  type DistributionStore,
  etagOf,
  type InvalidationRecord,
} from '../../edge/cloudfront/distribution.ts'
import { forgottenBy } from '../../edge/cloudfront/invalidations.ts'
import { emptyDraft, parseDraft, type ReleaseManifest } from '../../releases/manifest.ts'
import type { Releases } from '../../releases/releases.ts'
import type { Clock } from '../../shared/clock.ts'
import { MokaError } from '../../shared/errors.ts'
import type { Sites } from '../sites.ts'
import type { EdgeWorkers } from '../workers/edge-workers.ts'
import type { DistributionRecord, DistributionRecords } from './distribution-records.ts'

export interface DistributionParts {
  releases: Pick<Releases, 'projects' | 'live' | 'publish' | 'remove'>
  records: DistributionRecords
  sites: Pick<Sites, 'refresh'>
  workers: Pick<EdgeWorkers, 'invalidate'>
  clock: Clock
  /** Whether this cloud is for one project, and takes no others. */
  isForOne: boolean
}

/** The projects of this cloud as the CloudFront door wants them: each is a distribution. */
export class Distributions implements DistributionStore {
  readonly #parts: DistributionParts
  /** One change of a project at a time: what it was is compared and then changed. */
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(parts: DistributionParts) {
    this.#parts = parts
  }

  list(): Distribution[] {
    return this.#parts.releases.projects().flatMap(project => this.#find(project) ?? [])
  }

  create(
    project: string,
    callerReference: string,
    settings: DistributionSettings,
  ): Promise<Distribution> {
    if (this.#parts.isForOne) {
      throw new AwsError(
        'TooManyDistributions',
        400,
        '`moka dev` serves the project that it was started for, and no other; `moka up` serves any number.',
      )
    }
    return this.#inTurn(project, async () => {
      await this.#parts.records.change(project, recordOf(settings, this.#now(), callerReference))
      const draft = { ...emptyDraft(project), source: { message: 'CreateDistribution' } }
      try {
        await this.#publish({ ...draft, ...draftOf(settings) }, null)
        return this.#find(project)!
      } catch (error) {
        await this.#parts.records.remove(project)
        throw error
      }
    })
  }

  update(project: string, etag: string, settings: DistributionSettings) {
    return this.#inTurn(project, async () => {
      const { releases, records, sites } = this.#parts
      const before = this.#find(project)
      const live = releases.live(project)
      if (before === undefined || live === undefined || before.etag !== etag) {
        return { kind: 'changed' } as const
      }
      const {
        id,
        createdMs: _,
        domain: _d,
        origins: _o,
        behaviors: _b,
        ...kept
      } = live.release.manifest
      if (!isSameRelease(live.release.manifest, settings)) {
        const source = { ...kept.source, message: 'UpdateDistribution' }
        const outcome = await this.#publish({ ...kept, source, ...draftOf(settings) }, id)
        if (outcome === 'changed') return { kind: 'changed' } as const
      }
      if (!isSameRecord(before, settings)) {
        await records.change(project, recordOf(settings, this.#now()))
      }
      if (before.isEnabled !== settings.isEnabled) await sites.refresh()
      return { kind: 'updated', distribution: this.#find(project)! } as const
    })
  }

  remove(project: string, etag: string) {
    return this.#inTurn(project, async () => {
      const { releases, records } = this.#parts
      const live = releases.live(project)
      if (live === undefined || this.#find(project)?.etag !== etag) {
        return { kind: 'changed' } as const
      }
      try {
        await releases.remove(project, live.pointer.id)
      } catch (error) {
        explain(error)
        return { kind: 'changed' } as const
      }
      await records.remove(project)
      return { kind: 'removed' } as const
    })
  }

  async invalidations(project: string): Promise<readonly InvalidationRecord[]> {
    return this.#parts.records.get(project).invalidations
  }

  invalidate(project: string, record: InvalidationRecord): Promise<InvalidationRecord> {
    return this.#inTurn(project, async () => {
      const { records, workers } = this.#parts
      const before = records
        .get(project)
        .invalidations.find(({ callerReference }) => callerReference === record.callerReference)
      if (before !== undefined) return before
      const { patterns, tags } = forgottenBy(record.paths)
      await workers.invalidate(project, patterns, tags)
      await records.addInvalidation(project, record)
      return record
    })
  }

  #find(project: string): Distribution | undefined {
    const live = this.#parts.releases.live(project)
    if (live === undefined) return undefined
    const { manifest, manifestSha256 } = live.release
    const { domain, origins = {}, behaviors = [], signingKeys = {}, files } = manifest
    const record = this.#parts.records.get(project)
    const { callerReference = project, comment, priceClass, isIpv6Enabled, isDisabled } = record
    return {
      project,
      etag: etagOf(
        manifestSha256,
        JSON.stringify([callerReference, comment, priceClass, isIpv6Enabled, isDisabled]),
      ),
      callerReference,
      modifiedMs: Math.max(live.pointer.activatedMs, record.changedMs),
      isEnabled: !isDisabled,
      comment,
      priceClass,
      isIpv6Enabled,
      ...(domain === undefined ? {} : { domain }),
      origins,
      behaviors,
      signingKeys: Object.keys(signingKeys),
      hasFile: path => Object.hasOwn(files, path),
    }
  }

  /** `changed`: another deploy was faster. */
  async #publish(draft: unknown, base: string | null): Promise<'done' | 'changed'> {
    try {
      // Read again as though it came from outside: what the door let through is checked as well.
      await this.#parts.releases.publish(parseDraft(draft), { base })
      return 'done'
    } catch (error) {
      explain(error)
      return 'changed'
    }
  }

  #now(): number {
    return this.#parts.clock.now()
  }

  #inTurn<T>(project: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(project) ?? Promise.resolve()).then(work, work)
    this.#turns.set(project, turn)
    return turn
  }
}

/** Returns for a deploy that was faster; else throws, in AWS's words where they have some. */
function explain(error: unknown): void {
  if (!(error instanceof MokaError)) throw error
  switch (error.code) {
    case 'RELEASES_BASE_CHANGED':
      return
    case 'CLOUD_DOMAIN_TAKEN':
      throw new AwsError('CNAMEAlreadyExists', 409, `${error.message}.`)
    case 'RELEASES_INVALID_DRAFT':
      throw new AwsError('InvalidArgument', 400, `${error.message}.`)
    default:
      throw error
  }
}

function recordOf(
  settings: DistributionSettings,
  changedMs: number,
  callerReference?: string,
): Partial<DistributionRecord> {
  return {
    ...(callerReference === undefined ? {} : { callerReference }),
    comment: settings.comment,
    priceClass: settings.priceClass,
    isIpv6Enabled: settings.isIpv6Enabled,
    isDisabled: !settings.isEnabled,
    changedMs,
  }
}

type EdgePart = Pick<ReleaseManifest, 'domain' | 'origins' | 'behaviors'>

/** What of a distribution is a release's; what is empty is left out. */
function draftOf({ domain, origins, behaviors }: DistributionSettings): EdgePart {
  return {
    ...(domain === undefined ? {} : { domain }),
    ...(Object.keys(origins).length === 0 ? {} : { origins: origins as never }),
    ...(behaviors.length === 0 ? {} : { behaviors: behaviors as never }),
  }
}

function isSameRecord(before: DistributionSettings, settings: DistributionSettings): boolean {
  return (
    before.isEnabled === settings.isEnabled &&
    before.comment === settings.comment &&
    before.priceClass === settings.priceClass &&
    before.isIpv6Enabled === settings.isIpv6Enabled
  )
}

function isSameRelease(
  { domain, origins = {}, behaviors = [] }: ReleaseManifest,
  settings: DistributionSettings,
): boolean {
  return (
    domain === settings.domain &&
    isDeepStrictEqual(behaviors, settings.behaviors) &&
    // The order of origins is shown, and so part of them.
    isDeepStrictEqual(Object.entries(origins), Object.entries(settings.origins))
  )
}
