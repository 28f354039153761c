import type { CloudFrontKeyValueStoreClient } from '@aws-sdk/client-cloudfront-keyvaluestore'
import { MokaError } from '../../../../../shared/errors.ts'
import { explainAwsError } from '../../sdk/errors.ts'
import { sdk } from '../../sdk/sdk.ts'
import { GLOBAL_REGION } from '../../stack/names.ts'
import { batches, type UpdateBatch } from '../../viewer/store.ts'
import { FRESH, Renewed } from '../renewed.ts'

const MAX_ATTEMPTS = 8

export interface KeyChanges {
  put?: ReadonlyMap<string, string>
  delete?: Iterable<string>
}

/**
 * The KeyValueStore that the distribution's function reads. An update of up to 50 keys is there as a
 * whole or not at all, and only if nobody else has changed the store since it was read here.
 */
export class LiveStore {
  readonly #arn: string
  readonly #client: Renewed<CloudFrontKeyValueStoreClient>
  readonly #api: Awaited<ReturnType<typeof sdk.keyValueStore>>
  #etag: string | undefined

  private constructor(
    arn: string,
    client: Renewed<CloudFrontKeyValueStoreClient>,
    api: Awaited<ReturnType<typeof sdk.keyValueStore>>,
  ) {
    this.#arn = arn
    this.#client = client
    this.#api = api
  }

  static async open(arn: string): Promise<LiveStore> {
    const api = await sdk.keyValueStore()
    const create = () =>
      new api.CloudFrontKeyValueStoreClient({
        ...FRESH,
        region: GLOBAL_REGION,
        maxAttempts: MAX_ATTEMPTS,
        retryMode: 'adaptive',
      })
    return new LiveStore(arn, new Renewed(create), api)
  }

  /** Remembers how the store is now: an update that follows is refused once somebody changes it. */
  async refresh(): Promise<void> {
    const { ETag } = await this.#run(
      client => client.send(new this.#api.DescribeKeyValueStoreCommand({ KvsARN: this.#arn })),
      'read',
    )
    this.#etag = ETag
  }

  /** Undefined where there is no such key. */
  async get(key: string): Promise<string | undefined> {
    try {
      const { Value } = await this.#client.run(client =>
        client.send(new this.#api.GetKeyCommand({ KvsARN: this.#arn, Key: key })),
      )
      return Value
    } catch (error) {
      if ((error as Error).name === 'ResourceNotFoundException') return undefined
      throw explainAwsError(error, `read key "${key}" of the site's KeyValueStore`)
    }
  }

  /** All of it: one call for each fifty keys. */
  async list(): Promise<Map<string, string>> {
    const found = new Map<string, string>()
    let token: string | undefined
    do {
      const page = await this.#run(
        client =>
          client.send(
            new this.#api.ListKeysCommand({
              KvsARN: this.#arn,
              MaxResults: 50,
              ...(token === undefined ? {} : { NextToken: token }),
            }),
          ),
        'list the keys of',
      )
      for (const { Key, Value } of page.Items ?? []) {
        if (Key !== undefined) found.set(Key, Value ?? '')
      }
      token = page.NextToken
    } while (token !== undefined)
    return found
  }

  /** Changes any number of keys, in several updates where they are many. */
  async update({ put = new Map(), delete: gone = [] }: KeyChanges): Promise<void> {
    for (const batch of batches(put, gone)) await this.#send(batch)
  }

  close(): void {
    this.#client.close()
  }

  /** Throws `RELEASES_BASE_CHANGED` when somebody else changed the store in between. */
  async #send({ puts, deletes }: UpdateBatch): Promise<void> {
    if (this.#etag === undefined) await this.refresh()
    try {
      const { ETag } = await this.#client.run(client =>
        client.send(
          new this.#api.UpdateKeysCommand({
            KvsARN: this.#arn,
            IfMatch: this.#etag,
            Puts: puts,
            Deletes: deletes,
          }),
        ),
      )
      this.#etag = ETag
    } catch (error) {
      this.#etag = undefined
      if (isConflict(error as Error)) {
        throw new MokaError(
          'RELEASES_BASE_CHANGED',
          'cannot switch the site: its KeyValueStore was changed while this deploy was under way',
          { hint: 'deploy again; the plan will be made against what is live then', cause: error },
        )
      }
      throw explainAwsError(error, "change the site's KeyValueStore")
    }
  }

  async #run<T>(call: (client: CloudFrontKeyValueStoreClient) => Promise<T>, what: string) {
    try {
      return await this.#client.run(call)
    } catch (error) {
      throw explainAwsError(error, `${what} the site's KeyValueStore`)
    }
  }
}

/** The API's reference lists the first for an old If-Match; nobody promises that it is not told as the second. */
function isConflict({ name, message }: Error): boolean {
  if (name === 'ConflictException' || name === 'PreconditionFailedException') return true
  return name === 'ValidationException' && /pre-?condition|if-?match|etag/i.test(message)
}
