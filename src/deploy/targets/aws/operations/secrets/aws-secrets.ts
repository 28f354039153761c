import type { Parameter, SSMClient } from '@aws-sdk/client-ssm'
import { isReservedVariable } from '../../../../../config/environment-names.ts'
import type { ChangedSecret, ListedSecret, SecretsApi } from '../../../../../control/secrets-api.ts'
import type { ReleaseDraft } from '../../../../../releases/manifest.ts'
import { MokaError } from '../../../../../shared/errors.ts'
import { explainAwsError } from '../../sdk/errors.ts'
import { sdk } from '../../sdk/sdk.ts'
import { PROJECT_TAG, secretParameter } from '../../stack/names.ts'

/** Of Parameter Store's standard tier, which costs nothing. */
const MAX_VALUE_BYTES = 4096
const NAME = /^[A-Za-z_]\w{0,127}$/

export interface AwsSecretsParts {
  client: Pick<SSMClient, 'send'>
  /** What is live, or undefined before the first release. */
  live(project: string): Promise<ReleaseDraft | undefined>
  /** Publishes the live release's functions again where their variables differ, with these secrets. */
  renew(project: string): Promise<void>
}

/**
 * Secrets in Parameter Store, encrypted by the account's own key. Functions in the network cannot ask
 * for them without an endpoint that is paid for, so that they get them as variables: a changed one is
 * published at once.
 */
export class AwsSecrets implements SecretsApi {
  readonly #parts: AwsSecretsParts

  constructor(parts: AwsSecretsParts) {
    this.#parts = parts
  }

  async list(project: string): Promise<ListedSecret[]> {
    const [parameters, live] = await Promise.all([
      this.#parameters(project, false),
      this.#parts.live(project),
    ])
    return parameters
      .map(({ Name = '', LastModifiedDate }) => ({
        name: nameOf(Name),
        setMs: LastModifiedDate?.getTime() ?? 0,
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ name, setMs }) => ({
        ...{ name, setMs, functions: functionsWith(live, name) },
        isForNotifications: notifiesBy(live, name),
      }))
  }

  async set(project: string, name: string, value: string): Promise<ChangedSecret> {
    check(name, value)
    const { PutParameterCommand, AddTagsToResourceCommand } = await sdk.ssm()
    const Name = secretParameter(project, name)
    const { Version } = await this.#run(`set secret "${name}"`, client =>
      client.send(
        new PutParameterCommand({ Name, Value: value, Type: 'SecureString', Overwrite: true }),
      ),
    )
    const isNew = Version === 1
    if (isNew) {
      await this.#run(`tag secret "${name}"`, client =>
        client.send(
          new AddTagsToResourceCommand({
            ...{ ResourceType: 'Parameter', ResourceId: Name },
            Tags: [{ Key: PROJECT_TAG, Value: project }],
          }),
        ),
      )
    }
    const functions = functionsWith(await this.#parts.live(project), name)
    if (functions.length > 0) await this.#parts.renew(project)
    return { name, isNew, functions }
  }

  async remove(project: string, name: string): Promise<void> {
    const parameters = await this.#parameters(project, false)
    const names = parameters.map(({ Name = '' }) => nameOf(Name)).sort()
    if (!names.includes(name)) {
      throw new MokaError(
        'SECRETS_UNKNOWN',
        `cannot remove secret "${name}": project "${project}" has no such secret on AWS`,
        names.length === 0 ? {} : { hint: `one of ${names.join(', ')}` },
      )
    }
    const live = await this.#parts.live(project)
    const [user] = functionsWith(live, name)
    if (user !== undefined || notifiesBy(live, name)) {
      const who = user === undefined ? 'its notifications use' : `function "${user}" uses`
      throw new MokaError(
        'SECRETS_IN_USE',
        `cannot remove secret "${name}": ${who} it in the live release of project "${project}"`,
        { hint: 'take it out of moka.config.ts and deploy first' },
      )
    }
    const { DeleteParameterCommand } = await sdk.ssm()
    await this.#run(`remove secret "${name}"`, client =>
      client.send(new DeleteParameterCommand({ Name: secretParameter(project, name) })),
    )
  }

  /** For functions, and for a build that does not find one in its shell. Throws `SECRETS_NOT_SET`. */
  async forBuild(project: string, names: readonly string[]): Promise<Record<string, string>> {
    const parameters = await this.#parameters(project, true)
    const values = new Map(parameters.map(({ Name = '', Value = '' }) => [nameOf(Name), Value]))
    const found = names.map(name => {
      const value = values.get(name)
      if (value !== undefined) return [name, value]
      throw new MokaError(
        'SECRETS_NOT_SET',
        `cannot find secret "${name}" of project "${project}": it is not set on AWS`,
        { hint: `moka secrets set ${name} --to aws` },
      )
    })
    return Object.fromEntries(found) as Record<string, string>
  }

  async #parameters(project: string, withValues: boolean): Promise<Parameter[]> {
    const { GetParametersByPathCommand } = await sdk.ssm()
    const Path = secretParameter(project, '').replace(/\/$/, '')
    const found: Parameter[] = []
    let NextToken: string | undefined
    do {
      const page = await this.#run(`read the secrets of project "${project}"`, client =>
        client.send(
          new GetParametersByPathCommand({
            ...{ Path, WithDecryption: withValues },
            ...(NextToken === undefined ? {} : { NextToken }),
          }),
        ),
      )
      found.push(...(page.Parameters ?? []))
      NextToken = page.NextToken
    } while (NextToken !== undefined)
    return found
  }

  async #run<T>(what: string, call: (client: AwsSecretsParts['client']) => Promise<T>): Promise<T> {
    try {
      return await call(this.#parts.client)
    } catch (error) {
      throw explainAwsError(error, what)
    }
  }
}

function nameOf(parameter: string): string {
  return parameter.slice(parameter.lastIndexOf('/') + 1)
}

function check(name: string, value: string): void {
  if (!NAME.test(name) || name.startsWith('_') || name.length < 2 || isReservedVariable(name)) {
    throw new MokaError(
      'SECRETS_BAD_NAME',
      `cannot use "${name}" as the name of a secret on AWS: ${isReservedVariable(name) ? 'Lambda keeps that for itself' : 'Lambda takes no such variable'}`,
      { hint: 'a letter, then letters, digits and "_", such as STRIPE_KEY' },
    )
  }
  const refuse = (reason: string, hint: string) =>
    new MokaError('SECRETS_BAD_VALUE', `cannot set secret "${name}": its value ${reason}`, { hint })
  if (value === '') throw refuse('is empty', 'to remove it: moka secrets remove NAME --to aws')
  if (value.includes('\0')) throw refuse('has a zero byte', 'give it in base64')
  const sizeBytes = Buffer.byteLength(value)
  if (sizeBytes <= MAX_VALUE_BYTES) return
  throw refuse(
    `has ${sizeBytes} bytes, and ${MAX_VALUE_BYTES} are what Lambda takes of all variables`,
    'put it in the database, or in a file beside the function',
  )
}

function functionsWith(release: ReleaseDraft | undefined, secret: string): string[] {
  return Object.entries(release?.functions ?? {})
    .filter(([, { secrets = [] }]) => secrets.includes(secret))
    .map(([name]) => name)
}

function notifiesBy(release: ReleaseDraft | undefined, secret: string): boolean {
  return release?.notify?.some(target => 'secret' in target && target.secret === secret) ?? false
}
