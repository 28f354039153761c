import type { CloudFrontClient } from '@aws-sdk/client-cloudfront'
import type { Aws } from './start.ts'

/** What the bucket answers to a distribution. */
export interface Fetched {
  status: number
  contentType: string
  cacheControl: string
  metadata: Readonly<Record<string, string>>
  bytes: Buffer
}

interface ErrorResponse {
  ErrorCode: number
  ErrorCachingMinTTL: number
  ResponsePagePath?: string
  ResponseCode?: number
}

interface DistributionConfig {
  CustomErrorResponses?: ErrorResponse[]
  CacheTagConfig?: { HeaderName: string }
}

/** How long the distribution of a project's stack keeps errors, what it shows for them, and its cache tags. */
export function configOf(aws: Aws, project: string): DistributionConfig {
  const resources = aws.stacks.find(`mokapot-${project}`)?.template.Resources
  const properties = resources?.Distribution?.Properties as
    | { DistributionConfig?: DistributionConfig }
    | undefined
  return properties?.DistributionConfig ?? {}
}

/**
 * What a distribution keeps of files: for a year, by the path that it asks the bucket for, until an
 * invalidation names that path, a beginning of it with a star, or a cache tag that the answer had.
 */
export class KeptAnswers {
  readonly #aws: Aws
  readonly #project: string
  readonly #cloudFront: CloudFrontClient
  readonly #kept = new Map<string, Fetched>()
  readonly #seen = new Set<string>()

  constructor(aws: Aws, project: string, cloudFront: CloudFrontClient) {
    this.#aws = aws
    this.#project = project
    this.#cloudFront = cloudFront
  }

  /** What is kept, or else asked for, and kept unless it is an error that is not to be. */
  async get(uri: string, ask: () => Promise<Fetched>): Promise<Fetched> {
    await this.#forget()
    const kept = this.#kept.get(uri)
    if (kept !== undefined) return kept
    const fetched = await ask()
    const errors = configOf(this.#aws, this.#project).CustomErrorResponses ?? []
    const ttl = errors.find(({ ErrorCode }) => ErrorCode === fetched.status)?.ErrorCachingMinTTL
    if (fetched.status === 200 || (ttl ?? 10) > 0) this.#kept.set(uri, fetched)
    return fetched
  }

  async #forget(): Promise<void> {
    const { outputs = [] } = this.#aws.stacks.find(`mokapot-${this.#project}`) ?? {}
    const DistributionId = outputs.find(({ key }) => key === 'DistributionId')?.value
    if (DistributionId === undefined) return
    const { ListInvalidationsCommand, GetInvalidationCommand } = await import(
      '@aws-sdk/client-cloudfront'
    )
    const list = await this.#cloudFront.send(new ListInvalidationsCommand({ DistributionId }))
    for (const { Id = '' } of list.InvalidationList?.Items ?? []) {
      if (this.#seen.has(Id)) continue
      this.#seen.add(Id)
      const found = await this.#cloudFront.send(new GetInvalidationCommand({ DistributionId, Id }))
      for (const item of found.Invalidation?.InvalidationBatch?.Paths?.Items ?? []) {
        this.#forgetItem(item)
      }
    }
  }

  #forgetItem(item: string): void {
    const field = configOf(this.#aws, this.#project).CacheTagConfig?.HeaderName ?? ''
    for (const [uri, { metadata }] of this.#kept) {
      const tags = metadata[field.replace('x-amz-meta-', '')]?.split(',') ?? []
      const isNamed = item.startsWith('#')
        ? tags.includes(item.slice(1))
        : item === uri || (item.endsWith('*') && uri.startsWith(item.slice(0, -1)))
      if (isNamed) this.#kept.delete(uri)
    }
  }
}
