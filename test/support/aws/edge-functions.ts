import { randomBytes } from 'node:crypto'
import { ACCOUNT } from './account.ts'
import { type Answer, Refused, xml } from './answer.ts'

// https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html
const MAX_CODE_BYTES = 10 * 1024

export interface EdgeFunctionConfig {
  comment: string
  runtime: string
  keyValueStoreArns: readonly string[]
}

interface Stage {
  code: Buffer
  config: EdgeFunctionConfig
  etag: string
  changed: Date
}

/** CloudFront Functions, which moto lacks: code with a stage to try it and one that viewers meet. */
export class EdgeFunctions {
  readonly #functions = new Map<string, { development: Stage; live?: Stage }>()

  create(name: string, config: EdgeFunctionConfig, code: Buffer): string {
    if (!/^[a-zA-Z0-9-_]{1,64}$/.test(name))
      throw new Refused('InvalidArgument', `bad name "${name}"`)
    if (this.#functions.has(name)) {
      throw new Refused('FunctionAlreadyExists', 'A function of this name is there already.', 409)
    }
    this.#functions.set(name, { development: stage(config, code) })
    return functionArn(name)
  }

  update(name: string, config: EdgeFunctionConfig, code: Buffer): void {
    this.#get(name).development = stage(config, code)
  }

  publish(name: string): void {
    const found = this.#get(name)
    found.live = { ...found.development, etag: etag() }
  }

  delete(name: string): void {
    this.#get(name)
    this.#functions.delete(name)
  }

  /** What viewers meet; undefined before it is published. */
  liveCode(name: string): string | undefined {
    return this.#get(name).live?.code.toString()
  }

  hasStore(arn: string): boolean {
    return [...this.#functions.values()].some(({ development, live }) =>
      [development, live].some(one => one?.config.keyValueStoreArns.includes(arn)),
    )
  }

  answer(
    operation: string,
    url: string,
    ifMatch: string | undefined,
    // biome-ignore lint/suspicious/noExplicitAny: as sent, read by XML
    body: any,
  ): Answer {
    const [path = '', query = ''] = url.split('?')
    const name = decodeURIComponent(path.split('/')[3] ?? '')
    const stageName = new URLSearchParams(query).get('Stage') ?? 'DEVELOPMENT'
    switch (operation) {
      case 'CreateFunction': {
        const { Name, FunctionConfig, FunctionCode } = body.CreateFunctionRequest
        this.create(Name, readConfig(FunctionConfig), Buffer.from(FunctionCode, 'base64'))
        return this.#summary(201, Name, 'DEVELOPMENT')
      }
      case 'UpdateFunction': {
        this.#check(name, ifMatch)
        const { FunctionConfig, FunctionCode } = body.UpdateFunctionRequest
        this.update(name, readConfig(FunctionConfig), Buffer.from(FunctionCode, 'base64'))
        return this.#summary(200, name, 'DEVELOPMENT')
      }
      case 'PublishFunction':
        this.#check(name, ifMatch)
        this.publish(name)
        return this.#summary(200, name, 'LIVE')
      case 'DescribeFunction':
        return this.#summary(200, name, stageName)
      case 'GetFunction': {
        const { code, etag } = this.#stage(name, stageName)
        return {
          status: 200,
          headers: { etag, 'content-type': 'application/octet-stream' },
          body: code,
        }
      }
      case 'DeleteFunction':
        this.#check(name, ifMatch)
        this.delete(name)
        return { status: 204 }
      case 'ListFunctions': {
        const all = [...this.#functions.keys()].map(one => this.#describe(one, 'DEVELOPMENT'))
        const list = { MaxItems: 100, Quantity: all.length, Items: { FunctionSummary: all } }
        return xml(200, { FunctionList: list })
      }
      default:
        throw new Refused('UnsupportedOperation', `the stand-in has no ${operation}`)
    }
  }

  #get(name: string): { development: Stage; live?: Stage } {
    const found = this.#functions.get(name)
    if (found === undefined) {
      throw new Refused('NoSuchFunctionExists', 'The specified function does not exist.', 404)
    }
    return found
  }

  #stage(name: string, stageName: string): Stage {
    const { development, live } = this.#get(name)
    if (stageName !== 'LIVE') return development
    if (live === undefined) {
      throw new Refused('NoSuchFunctionExists', 'The specified function does not exist.', 404)
    }
    return live
  }

  #check(name: string, ifMatch: string | undefined): void {
    if (ifMatch !== this.#get(name).development.etag) {
      throw new Refused('InvalidIfMatchVersion', 'The If-Match version is missing or not valid.')
    }
  }

  #describe(name: string, stageName: string) {
    const { config, changed } = this.#stage(name, stageName)
    const stores = config.keyValueStoreArns.map(KeyValueStoreARN => ({ KeyValueStoreARN }))
    return {
      Name: name,
      Status: this.#get(name).live === undefined ? 'UNPUBLISHED' : 'DEPLOYED',
      FunctionConfig: {
        Comment: config.comment,
        Runtime: config.runtime,
        KeyValueStoreAssociations: {
          Quantity: stores.length,
          Items: { KeyValueStoreAssociation: stores },
        },
      },
      FunctionMetadata: {
        FunctionARN: functionArn(name),
        Stage: stageName,
        CreatedTime: changed.toISOString(),
        LastModifiedTime: changed.toISOString(),
      },
    }
  }

  #summary(status: number, name: string, stageName: string): Answer {
    const { etag } = this.#stage(name, stageName)
    // UpdateFunction's answer has its version in `ETtag`, as the service model spells it.
    return xml(status, { FunctionSummary: this.#describe(name, stageName) }, { etag, ettag: etag })
  }
}

export const functionArn = (name: string) => `arn:aws:cloudfront::${ACCOUNT}:function/${name}`

function stage(config: EdgeFunctionConfig, code: Buffer): Stage {
  if (code.length > MAX_CODE_BYTES) {
    throw new Refused('FunctionSizeLimitExceeded', `${code.length} bytes; 10 KB is the limit.`, 413)
  }
  if (!['cloudfront-js-1.0', 'cloudfront-js-2.0'].includes(config.runtime)) {
    throw new Refused('InvalidArgument', `no runtime "${config.runtime}"`)
  }
  if (config.keyValueStoreArns.length > 0 && config.runtime !== 'cloudfront-js-2.0') {
    throw new Refused('InvalidArgument', 'A KeyValueStore needs cloudfront-js-2.0.')
  }
  if (config.keyValueStoreArns.length > 1) {
    throw new Refused('InvalidArgument', 'A function has one KeyValueStore at most.')
  }
  return { code, config, etag: etag(), changed: new Date() }
}

// biome-ignore lint/suspicious/noExplicitAny: as sent, read by XML
function readConfig(config: any): EdgeFunctionConfig {
  const items = config?.KeyValueStoreAssociations?.Items?.KeyValueStoreAssociation ?? []
  return {
    comment: config?.Comment ?? '',
    runtime: config?.Runtime ?? '',
    keyValueStoreArns: [items].flat().map(({ KeyValueStoreARN }) => KeyValueStoreARN),
  }
}

const etag = () => `ETV${randomBytes(6).toString('hex').toUpperCase()}`
