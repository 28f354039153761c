import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import * as v from 'valibot'
import type { InvalidationRecord } from '../../edge/cloudfront/distribution.ts'
import { syncDirectory, writeFileAtomic } from '../../shared/atomic-file.ts'
import { systemErrorCode } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'

/** Invalidations that are remembered, the last ones. */
const MAX_INVALIDATIONS = 1000
/** Paths that are remembered of all of them: a batch may have 3,000. */
const MAX_PATHS = 20_000

const recordSchema = v.object({
  callerReference: v.optional(v.string()),
  comment: v.optional(v.string(), ''),
  priceClass: v.optional(v.string(), 'PriceClass_All'),
  isIpv6Enabled: v.optional(v.boolean(), false),
  isDisabled: v.optional(v.boolean(), false),
  /** When one of the above last changed. */
  changedMs: v.optional(v.number(), 0),
  /** Newest first. */
  invalidations: v.optional(
    v.array(
      v.object({
        id: v.string(),
        callerReference: v.string(),
        createdMs: v.number(),
        paths: v.array(v.string()),
      }),
    ),
    [],
  ),
})

/** What CloudFront keeps of a distribution and no release has. */
export type DistributionRecord = v.InferOutput<typeof recordSchema>

/**
 * Such records, in a file for each project, `<project>/distribution.json`. All are in memory: edges
 * are told of them without waiting.
 */
export class DistributionRecords {
  readonly #directory: string
  readonly #records = new Map<string, DistributionRecord>()
  /** The last write of each project: two at once would each undo the other. */
  readonly #writes = new Map<string, Promise<unknown>>()

  private constructor(directory: string) {
    this.#directory = directory
  }

  /** Takes up what is there. A damaged file is told of, and counts as none: it holds no site. */
  static async open(
    directory: string,
    projects: readonly string[],
    logger: Logger,
  ): Promise<DistributionRecords> {
    const records = new DistributionRecords(directory)
    for (const project of projects) {
      const path = records.#path(project)
      try {
        const text = await readFile(path, 'utf8')
        records.#records.set(project, v.parse(recordSchema, JSON.parse(text)))
      } catch (error) {
        if (systemErrorCode(error) === 'ENOENT') continue
        logger.error('what the CloudFront API kept of a project cannot be read, and is left out', {
          project,
          path,
          reason: String(error),
        })
      }
    }
    return records
  }

  get(project: string): DistributionRecord {
    return this.#records.get(project) ?? v.parse(recordSchema, {})
  }

  /** Durable when it resolves. */
  change(project: string, change: Partial<DistributionRecord>): Promise<void> {
    return this.#inTurn(project, () => this.#write(project, { ...this.get(project), ...change }))
  }

  /** Durable when it resolves; the oldest are forgotten for it. */
  addInvalidation(project: string, record: InvalidationRecord): Promise<void> {
    return this.#inTurn(project, () => {
      const before = this.get(project)
      const all = [{ ...record, paths: [...record.paths] }, ...before.invalidations]
      return this.#write(project, { ...before, invalidations: lastOf(all) })
    })
  }

  remove(project: string): Promise<void> {
    return this.#inTurn(project, async () => {
      await rm(this.#path(project), { force: true })
      await syncDirectory(join(this.#directory, project))
      this.#records.delete(project)
    })
  }

  async #write(project: string, record: DistributionRecord): Promise<void> {
    await mkdir(join(this.#directory, project), { recursive: true, mode: 0o700 })
    await writeFileAtomic(this.#path(project), `${JSON.stringify(record)}\n`)
    this.#records.set(project, record)
  }

  #inTurn<T>(project: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#writes.get(project) ?? Promise.resolve()).then(work, work)
    this.#writes.set(project, turn)
    return turn
  }

  #path(project: string): string {
    return join(this.#directory, project, 'distribution.json')
  }
}

/** The newest, up to the two limits; one at least. */
function lastOf<T extends { paths: readonly string[] }>(newestFirst: readonly T[]): T[] {
  let paths = 0
  const tooOld = newestFirst.findIndex((one, index) => {
    paths += one.paths.length
    return index === MAX_INVALIDATIONS || (index > 0 && paths > MAX_PATHS)
  })
  return newestFirst.slice(0, tooOld === -1 ? undefined : tooOld)
}
