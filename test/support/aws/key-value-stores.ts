import { randomBytes, randomUUID } from 'node:crypto'
import { ACCOUNT } from './account.ts'
import { type Answer, json, Refused, xml } from './answer.ts'

// https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html
const MAX_STORE_BYTES = 5 * 1024 * 1024
const MAX_KEY_BYTES = 512
const MAX_VALUE_BYTES = 1024
const MAX_KEYS_PER_UPDATE = 50
const MAX_UPDATE_BYTES = 3 * 1024 * 1024

export interface KeyValueStore {
  id: string
  name: string
  comment: string
  arn: string
  /** Of the name and comment; that of the keys is another. */
  controlEtag: string
  etag: string
  keys: Map<string, string>
  created: Date
  changed: Date
}

/** CloudFront KeyValueStores, which moto lacks. */
export class KeyValueStores {
  readonly #stores = new Map<string, KeyValueStore>()
  /** Whether a function has it, so that it cannot go. Set by who has the functions. */
  isInUse: (arn: string) => boolean = () => false

  create(name: string, comment = ''): KeyValueStore {
    if (!/^[a-zA-Z0-9-_]{1,64}$/.test(name))
      throw new Refused('InvalidArgument', `bad name "${name}"`)
    if (this.#stores.has(name)) {
      throw new Refused(
        'EntityAlreadyExists',
        'A KeyValueStore of this name is there already.',
        409,
      )
    }
    const id = randomUUID()
    const now = new Date()
    const store = {
      ...{ id, name, comment, arn: `arn:aws:cloudfront::${ACCOUNT}:key-value-store/${id}` },
      ...{ controlEtag: etag(), etag: etag(), keys: new Map(), created: now, changed: now },
    }
    this.#stores.set(name, store)
    return store
  }

  get(name: string): KeyValueStore {
    const store = this.#stores.get(name)
    if (store === undefined) {
      throw new Refused('EntityNotFound', 'The KeyValueStore does not exist.', 404)
    }
    return store
  }

  byArn(arn: string): KeyValueStore {
    for (const store of this.#stores.values()) if (store.arn === arn) return store
    throw new Refused('ResourceNotFoundException', 'Key Value Store was not found.', 404)
  }

  delete(name: string, ifMatch: string | undefined): void {
    const store = this.get(name)
    if (ifMatch !== undefined) checkControl(store, ifMatch)
    if (this.isInUse(store.arn)) {
      throw new Refused('CannotDeleteEntityWhileInUse', 'A function has this KeyValueStore.', 409)
    }
    this.#stores.delete(name)
  }

  /** The operations of CloudFront itself: stores, without their keys. */
  control(operation: string, name: string, ifMatch: string | undefined, body: Request): Answer {
    switch (operation) {
      case 'CreateKeyValueStore': {
        const store = this.create(body.Name ?? '', body.Comment)
        return xml(201, { KeyValueStore: summary(store) }, { etag: store.controlEtag })
      }
      case 'DescribeKeyValueStore': {
        const store = this.get(name)
        return xml(200, { KeyValueStore: summary(store) }, { etag: store.controlEtag })
      }
      case 'ListKeyValueStores': {
        const all = [...this.#stores.values()].map(summary)
        const list = { MaxItems: 50, Quantity: all.length, Items: { KeyValueStore: all } }
        return xml(200, { KeyValueStoreList: list })
      }
      case 'UpdateKeyValueStore': {
        const store = this.get(name)
        checkControl(store, ifMatch)
        store.comment = body.Comment ?? ''
        store.controlEtag = etag()
        return xml(200, { KeyValueStore: summary(store) }, { etag: store.controlEtag })
      }
      default:
        this.delete(name, ifMatch ?? '')
        return { status: 204 }
    }
  }

  /** The operations of a store's own service: its keys. */
  data(operation: string, url: string, ifMatch: string | undefined, body: Buffer): Answer {
    const [path = '', query = ''] = url.split('?')
    const [arn = '', , key = ''] = path.split('/').slice(2).map(decodeURIComponent)
    const store = this.byArn(arn)
    switch (operation) {
      case 'DescribeKeyValueStore':
        return json(
          200,
          {
            ...size(store),
            ...{ KvsARN: store.arn, Status: 'READY' },
            ...{
              Created: store.created.getTime() / 1000,
              LastModified: store.changed.getTime() / 1000,
            },
          },
          { etag: store.etag },
        )
      case 'ListKeys':
        return listKeys(store, new URLSearchParams(query))
      case 'GetKey': {
        const value = store.keys.get(key)
        if (value === undefined) {
          throw new Refused('ResourceNotFoundException', `Key ${key} was not found.`, 404)
        }
        return json(200, { Key: key, Value: value, ...size(store) })
      }
      case 'PutKey':
        return write(store, ifMatch, [{ Key: key, Value: JSON.parse(String(body)).Value }], [])
      case 'DeleteKey':
        return write(store, ifMatch, [], [{ Key: key }])
      default: {
        if (body.length > MAX_UPDATE_BYTES) {
          throw new Refused('ValidationException', 'The request is larger than 3 MB.')
        }
        const { Puts = [], Deletes = [] } = JSON.parse(String(body))
        return write(store, ifMatch, Puts, Deletes)
      }
    }
  }
}

type Request = Readonly<Record<string, string | undefined>>

interface Put {
  Key: string
  Value: string
}

function listKeys(store: KeyValueStore, search: URLSearchParams): Answer {
  const limit = Number(search.get('MaxResults') ?? 10)
  if (limit > 50) throw new Refused('ValidationException', 'MaxResults is 50 at most.')
  const start = Number(search.get('NextToken') ?? 0)
  const all = [...store.keys].sort(([a], [b]) => (a < b ? -1 : 1))
  const items = all.slice(start, start + limit).map(([Key, Value]) => ({ Key, Value }))
  const next = start + limit < all.length ? { NextToken: String(start + limit) } : {}
  return json(200, { Items: items, ...next })
}

/** All of it or nothing; a writer who has not seen the last write is refused. */
function write(
  store: KeyValueStore,
  ifMatch: string | undefined,
  puts: readonly Put[],
  deletes: readonly { Key: string }[],
): Answer {
  if (ifMatch === undefined) throw new Refused('ValidationException', 'If-Match is missing.')
  if (ifMatch !== store.etag) {
    throw new Refused('ConflictException', 'Resource is not in expected state.', 409)
  }
  if (puts.length + deletes.length > MAX_KEYS_PER_UPDATE) {
    throw new Refused(
      'ValidationException',
      `More than ${MAX_KEYS_PER_UPDATE} keys in one request.`,
    )
  }
  const names = [...puts, ...deletes].map(({ Key }) => Key)
  if (new Set(names).size < names.length) {
    throw new Refused('ValidationException', 'A key stands twice in the request.')
  }
  for (const { Key, Value } of puts) {
    if (Key === '' || Buffer.byteLength(Key) > MAX_KEY_BYTES) {
      throw new Refused('ValidationException', `A key has 1 to ${MAX_KEY_BYTES} bytes: "${Key}"`)
    }
    if (typeof Value !== 'string' || Buffer.byteLength(Value) > MAX_VALUE_BYTES) {
      throw new Refused(
        'ValidationException',
        `A value has ${MAX_VALUE_BYTES} bytes at most: "${Key}"`,
      )
    }
  }
  const next = new Map(store.keys)
  for (const { Key } of deletes) {
    if (!next.delete(Key)) {
      throw new Refused('ResourceNotFoundException', `Key ${Key} was not found.`, 404)
    }
  }
  for (const { Key, Value } of puts) next.set(Key, Value)
  if (bytes(next) > MAX_STORE_BYTES) {
    throw new Refused(
      'ServiceQuotaExceededException',
      'The KeyValueStore is larger than 5 MB.',
      402,
    )
  }
  store.keys = next
  store.etag = etag()
  store.changed = new Date()
  return json(200, size(store), { etag: store.etag })
}

function checkControl(store: KeyValueStore, ifMatch: string | undefined): void {
  if (ifMatch === undefined || ifMatch === '') {
    throw new Refused('InvalidIfMatchVersion', 'The If-Match version is missing or not valid.', 400)
  }
  if (ifMatch !== store.controlEtag) {
    throw new Refused('PreconditionFailed', 'The precondition in If-Match does not hold.', 412)
  }
}

function summary({ name, id, comment, arn, changed }: KeyValueStore) {
  return {
    ...{ Name: name, Id: id, Comment: comment, ARN: arn, Status: 'READY' },
    LastModifiedTime: changed.toISOString(),
  }
}

function size(store: KeyValueStore) {
  return { ItemCount: store.keys.size, TotalSizeInBytes: bytes(store.keys) }
}

function bytes(keys: ReadonlyMap<string, string>): number {
  let sum = 0
  for (const [key, value] of keys) sum += Buffer.byteLength(key) + Buffer.byteLength(value)
  return sum
}

const etag = () => `ETV${randomBytes(6).toString('hex').toUpperCase()}`
