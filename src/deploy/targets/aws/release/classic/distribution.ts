import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { CloudFrontClient } from '@aws-sdk/client-cloudfront'
import { MokaError } from '../../../../../shared/errors.ts'
import { explainAwsError } from '../../sdk/errors.ts'
import { sdk } from '../../sdk/sdk.ts'
import { GLOBAL_REGION } from '../../stack/names.ts'
import { FRESH, Renewed } from '../renewed.ts'

/** More single paths than this are one star: a star counts as one, and a thousand a month are free. */
const MAX_PATHS = 15
const POLLED_EVERY_MS = 2000
const PATIENCE_MS = 15 * 60_000

/** What classic mode changes of CloudFront: its stored answers, and code with pages and rules in it. */
export class Distribution {
  readonly #id: string
  readonly #client: Renewed<CloudFrontClient>
  readonly #api: Awaited<ReturnType<typeof sdk.cloudfront>>

  private constructor(
    id: string,
    client: Renewed<CloudFrontClient>,
    api: Awaited<ReturnType<typeof sdk.cloudfront>>,
  ) {
    this.#id = id
    this.#client = client
    this.#api = api
  }

  static async open(id: string): Promise<Distribution> {
    const api = await sdk.cloudfront()
    const create = () =>
      new api.CloudFrontClient({ ...FRESH, region: GLOBAL_REGION, maxAttempts: 8 })
    return new Distribution(id, new Renewed(create), api)
  }

  /** Drops stored answers, and resolves when every point of presence has. */
  async invalidate(paths: readonly string[]): Promise<void> {
    const items = invalidationPaths(paths)
    if (items.length === 0) return
    const what = 'invalidate what changed'
    const { Invalidation } = await this.#run(
      client =>
        client.send(
          new this.#api.CreateInvalidationCommand({
            DistributionId: this.#id,
            InvalidationBatch: {
              CallerReference: randomUUID(),
              Paths: { Quantity: items.length, Items: items },
            },
          }),
        ),
      what,
    )
    let status = Invalidation?.Status
    for (const endMs = performance.now() + PATIENCE_MS; !/^completed$/i.test(status ?? ''); ) {
      if (performance.now() > endMs) {
        throw new MokaError(
          'AWS_INVALIDATION_SLOW',
          `cannot see the end of invalidation "${Invalidation?.Id}": it is ${status} after ${PATIENCE_MS / 60_000} minutes`,
          { hint: 'the files are there; visitors see them as CloudFront goes on with it' },
        )
      }
      await wait(POLLED_EVERY_MS)
      const found = await this.#run(
        client =>
          client.send(
            new this.#api.GetInvalidationCommand({
              DistributionId: this.#id,
              Id: Invalidation?.Id ?? '',
            }),
          ),
        what,
      )
      status = found.Invalidation?.Status
    }
  }

  /** Publishes a function's code where it is another. */
  async publishCode(name: string, code: string): Promise<void> {
    const what = `publish CloudFront's function "${name}"`
    const found = await this.#run(
      client => client.send(new this.#api.GetFunctionCommand({ Name: name, Stage: 'LIVE' })),
      what,
    )
    if (Buffer.from(found.FunctionCode ?? []).toString('utf8') === code) return
    const { ETag, FunctionSummary } = await this.#run(
      client =>
        client.send(new this.#api.DescribeFunctionCommand({ Name: name, Stage: 'DEVELOPMENT' })),
      what,
    )
    const updated = await this.#run(
      client =>
        client.send(
          new this.#api.UpdateFunctionCommand({
            ...{ Name: name, IfMatch: ETag ?? '' },
            FunctionConfig: FunctionSummary?.FunctionConfig,
            FunctionCode: Buffer.from(code),
          }),
        ),
      what,
    )
    await this.#run(
      client =>
        client.send(
          new this.#api.PublishFunctionCommand({ Name: name, IfMatch: updated.ETag ?? '' }),
        ),
      what,
    )
  }

  close(): void {
    this.#client.close()
  }

  async #run<T>(call: (client: CloudFrontClient) => Promise<T>, what: string): Promise<T> {
    try {
      return await this.#client.run(call)
    } catch (error) {
      throw explainAwsError(error, what)
    }
  }
}

/**
 * The paths of an invalidation for files that changed: each as it lies in the bucket, and as visitors
 * ask for it; many of them are all.
 */
export function invalidationPaths(paths: readonly string[]): string[] {
  const all = new Set(paths.flatMap(path => [path, ...addressesOf(path)]))
  if (all.size > MAX_PATHS) return ['/*']
  return [...all].map(encodeURI).sort()
}

function addressesOf(path: string): string[] {
  if (path.endsWith('/index.html')) {
    const folder = path.slice(0, -'index.html'.length)
    return folder === '/' ? ['/'] : [folder, folder.slice(0, -1)]
  }
  return path.endsWith('.html') ? [path.slice(0, -'.html'.length)] : []
}
