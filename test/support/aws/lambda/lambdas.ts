import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { type Answer, json, Refused } from '../answer.ts'
import type { Operation } from '../operations.ts'
import { type LambdaCode, type LambdaEnvironment, startLambda } from './lambda-runner.ts'

interface Configuration {
  FunctionName: string
  Version: string
  CodeSha256: string
  Handler: string
  Runtime: string
  Timeout?: number
  Environment?: { Variables?: Record<string, string> }
}

/**
 * Runs functions, which moto does by Docker alone: the very archives that were sent to it, by this
 * machine's Node and Python. Versions, aliases and settings are moto's. What a function writes is in
 * moto's CloudWatch Logs, with the lines that Lambda itself puts around it.
 */
export class Lambdas {
  /** Files in place of a function's own, by the function's name on Lambda. */
  readonly files = new Map<string, NonNullable<LambdaCode['files']>>()
  /** Where functions find Lambda itself. */
  endpoint = ''
  readonly #moto: string
  /** What a variable's value is here: addresses that lead nowhere become others. */
  #rewrite: (value: string) => string = value => value
  /** By SHA-256 in base64. */
  readonly #archives = new Map<string, Buffer>()
  /** Warm ones, by function, version, code and variables. */
  readonly #environments = new Map<string, Promise<LambdaEnvironment>>()

  constructor(moto: string) {
    this.#moto = moto
  }

  /** The instance of RDS that moto makes is none: what these functions reach is a PostgreSQL of the test. */
  standInForRds(
    { port, root }: { port: number; root: string },
    functions: readonly string[],
  ): void {
    this.#rewrite = value => value.replace(/@[^@/]*rds[^@/]*:5432\//, `@localhost:${port}/`)
    for (const name of functions) this.files.set(name, { 'mokapot-rds-root.pem': root })
  }

  /** Undefined: moto answers. */
  async answer(
    { name, region }: Operation,
    asked: IncomingMessage,
    body: Buffer,
  ): Promise<Answer | undefined> {
    if (name === 'CreateFunction') await this.#keep(asked, JSON.parse(String(body)).Code ?? {})
    if (name.startsWith('UpdateFunctionCode')) await this.#keep(asked, JSON.parse(String(body)))
    if (name !== 'Invoke') return undefined
    return this.#invoke(asked, region, body)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#environments.values()].map(async each => (await each).close()))
  }

  async #keep(
    asked: IncomingMessage,
    { ZipFile, S3Bucket, S3Key }: { ZipFile?: string; S3Bucket?: string; S3Key?: string },
  ): Promise<void> {
    // Nobody without a name may read the bucket.
    const authorization = String(asked.headers.authorization).replace('/lambda/', '/s3/')
    const bytes =
      ZipFile === undefined
        ? await fetch(`${this.#moto}/${S3Bucket}/${S3Key}`, { headers: { authorization } })
            .then(answer => answer.arrayBuffer())
            .then(content => Buffer.from(content))
        : Buffer.from(ZipFile, 'base64')
    this.#archives.set(createHash('sha256').update(bytes).digest('base64'), bytes)
  }

  async #invoke(asked: IncomingMessage, region: string, body: Buffer): Promise<Answer> {
    const url = new URL(asked.url ?? '', this.#moto)
    const [, name = ''] = /\/functions\/([^/]+)\/invocations/.exec(url.pathname) ?? []
    const qualifier = url.searchParams.get('Qualifier')
    const query = qualifier === null ? '' : `?Qualifier=${encodeURIComponent(qualifier)}`
    const found = await fetch(`${this.#moto}/2015-03-31/functions/${name}/configuration${query}`, {
      headers: { authorization: String(asked.headers.authorization) },
    })
    if (!found.ok) {
      throw new Refused('ResourceNotFoundException', `Function not found: ${name}`, 404)
    }
    const configuration = (await found.json()) as Configuration
    const environment = await this.#environment(decodeURIComponent(name), configuration, region)
    const timeoutMs = (configuration.Timeout ?? 3) * 1000
    const event = body.length === 0 ? {} : JSON.parse(String(body))
    const { payload, isError, requestId, log: written } = await environment.invoke(event, timeoutMs)
    const log = [
      `START RequestId: ${requestId} Version: ${configuration.Version}`,
      ...(written === '' ? [] : written.replace(/\n$/, '').split('\n')),
      `END RequestId: ${requestId}`,
      `REPORT RequestId: ${requestId}\tDuration: 1.00 ms\tBilled Duration: 1 ms\tMemory Size: 256 MB\tMax Memory Used: 64 MB`,
    ]
    await this.#write(String(asked.headers.authorization), name, configuration.Version, log)
    const isTail = asked.headers['x-amz-log-type'] === 'Tail'
    const tail = Buffer.from(log.join('\n')).subarray(-4096).toString('base64')
    return json(200, payload, {
      'x-amzn-requestid': requestId,
      'x-amz-executed-version': configuration.Version,
      ...(isError ? { 'x-amz-function-error': 'Unhandled' } : {}),
      ...(isTail ? { 'x-amz-log-result': tail } : {}),
    })
  }

  #environment(
    name: string,
    { Version, CodeSha256, Handler, Runtime, Environment }: Configuration,
    region: string,
  ): Promise<LambdaEnvironment> {
    const variables = Object.entries(Environment?.Variables ?? {})
    const environment = {
      AWS_ENDPOINT_URL_LAMBDA: this.endpoint,
      ...Object.fromEntries(variables.map(([variable, value]) => [variable, this.#rewrite(value)])),
    }
    const key = JSON.stringify([name, Version, CodeSha256, Handler, environment])
    const known = this.#environments.get(key)
    if (known !== undefined) return known
    const archive = this.#archives.get(CodeSha256)
    if (archive === undefined) throw new Refused('InvalidZipFileException', `no code for ${name}`)
    const files = this.files.get(name)
    const runtime = Runtime.startsWith('python') ? 'python' : 'node'
    const started = startLambda(
      { runtime, handler: Handler, archive, environment, ...(files && { files }) },
      region,
    )
    this.#environments.set(key, started)
    return started
  }

  async #write(
    authorization: string,
    name: string,
    version: string,
    lines: readonly string[],
  ): Promise<void> {
    const logGroupName = `/aws/lambda/${decodeURIComponent(name)}`
    const logStreamName = `2026/01/01/[${version}]0123456789abcdef`
    const call = (operation: string, input: object) =>
      fetch(this.#moto, {
        method: 'POST',
        headers: {
          authorization: authorization.replace('/lambda/', '/logs/'),
          'content-type': 'application/x-amz-json-1.1',
          'x-amz-target': `Logs_20140328.${operation}`,
        },
        body: JSON.stringify(input),
      })
    await call('CreateLogGroup', { logGroupName })
    await call('CreateLogStream', { logGroupName, logStreamName })
    const timestamp = Date.now()
    const logEvents = lines.map(message => ({ timestamp, message: `${message}\n` }))
    await call('PutLogEvents', { logGroupName, logStreamName, logEvents })
  }
}
