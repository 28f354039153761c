import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { CloudFrontClient } from '@aws-sdk/client-cloudfront'
import { MokaError } from '../../../../../shared/errors.ts'
import { explainAwsError } from '../../sdk/errors.ts'
import { sdk } from '../../sdk/sdk.ts'
import { GLOBAL_REGION } from '../../stack/names.ts'
import { FRESH, Renewed } from '../renewed.ts'

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
  async invalidate(items: readonly string[]): Promise<void> {
    if (items.length === 0) return
    const what = 'invalidate what changed'
    const { Invalidation } = await this.#run(
      client =>
        client.send(
          new this.#api.CreateInvalidationCommand({
            DistributionId: this.#id,
            InvalidationBatch: {
              CallerReference: randomUUID(),
              Paths: { Quantity: items.length, Items: [...items] },
            },
          }),
        ),
      what,
    )
    const Id = Invalidation?.Id ?? ''
    let status = Invalidation?.Status
    const isDone = await until(async () => {
      if (/^completed$/i.test(status ?? '')) return true
      const command = new this.#api.GetInvalidationCommand({ DistributionId: this.#id, Id })
      const found = await this.#run(client => client.send(command), what)
      status = found.Invalidation?.Status
      return /^completed$/i.test(status ?? '')
    })
    if (isDone) return
    throw new MokaError(
      'AWS_INVALIDATION_SLOW',
      `cannot see the end of invalidation "${Id}": it is ${status} after ${PATIENCE_MS / 60_000} minutes`,
      {
        hint: 'deploy again; if it goes on, https://health.aws.amazon.com tells how CloudFront is',
      },
    )
  }

  /** Whether visitors meet this code, as far as CloudFront's API tells. */
  async hasCode(name: string, code: string): Promise<boolean> {
    const command = new this.#api.GetFunctionCommand({ Name: name, Stage: 'LIVE' })
    const found = await this.#run(client => client.send(command), publishing(name))
    return Buffer.from(found.FunctionCode ?? []).toString('utf8') === code
  }

  /** Publishes functions' code by their names, where it is another, and resolves when it is everywhere. */
  async publishCode(codes: Readonly<Record<string, string>>): Promise<void> {
    let isPublished = false
    for (const [name, code] of Object.entries(codes)) {
      if (await this.hasCode(name, code)) continue
      await this.#publish(name, code)
      isPublished = true
    }
    if (isPublished) await this.#deployed()
  }

  async #publish(name: string, code: string): Promise<void> {
    const what = publishing(name)
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

  /** Behaviors use what was published as soon as the distribution is deployed (AWS, "Publish functions"). */
  async #deployed(): Promise<void> {
    const command = new this.#api.GetDistributionCommand({ Id: this.#id })
    const what = 'see whether the distribution is deployed'
    const isDone = await until(async () => {
      const { Distribution: found } = await this.#run(client => client.send(command), what)
      return found?.Status !== 'InProgress'
    })
    if (isDone) return
    throw new MokaError(
      'AWS_DISTRIBUTION_SLOW',
      `cannot see distribution "${this.#id}" deployed: it is in progress for ${PATIENCE_MS / 60_000} minutes`,
      {
        hint: 'deploy again; if it goes on, https://health.aws.amazon.com tells how CloudFront is',
      },
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

const publishing = (name: string) => `publish CloudFront's function "${name}"`

/** Asks again and again; false where it is not so within a quarter of an hour. */
async function until(isDone: () => Promise<boolean>): Promise<boolean> {
  for (const endMs = performance.now() + PATIENCE_MS; ; ) {
    if (await isDone()) return true
    if (performance.now() > endMs) return false
    await wait(POLLED_EVERY_MS)
  }
}
