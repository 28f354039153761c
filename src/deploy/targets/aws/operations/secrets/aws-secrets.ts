import { isReservedVariable } from '../../../../../config/environment-names.ts'
import type { ChangedSecret, ListedSecret, SecretsApi } from '../../../../../control/secrets-api.ts'
import { functionsWith, notifiesBy, type ReleaseDraft } from '../../../../../releases/manifest.ts'
import { MokaError } from '../../../../../shared/errors.ts'
import type { SecretParameters } from './secret-parameters.ts'

/** Of Parameter Store's standard tier, which costs nothing; and of all variables of a function. */
const MAX_VALUE_BYTES = 4096
const NAME = /^[A-Za-z]\w{1,127}$/

export interface AwsSecretsParts {
  parameters(): Promise<SecretParameters>
  /** What is live, or undefined before the first release. */
  live(): Promise<ReleaseDraft | undefined>
  /** Publishes the live release's functions again where their variables differ. */
  renew(): Promise<void>
}

/**
 * Secrets of a project on AWS. Functions in the network cannot ask Parameter Store without an endpoint
 * that is paid for, so that they get secrets as variables: a changed one is published at once.
 */
export class AwsSecrets implements SecretsApi {
  readonly #parts: AwsSecretsParts

  constructor(parts: AwsSecretsParts) {
    this.#parts = parts
  }

  async list(): Promise<ListedSecret[]> {
    const { live } = this.#parts
    const parameters = await this.#parts.parameters()
    const [secrets, release] = await Promise.all([parameters.list(), live()])
    return secrets.map(({ name, setMs }) => ({
      ...{ name, setMs, functions: functionsWith(release, name) },
      isForNotifications: notifiesBy(release, name),
    }))
  }

  async set(_project: string, name: string, value: string): Promise<ChangedSecret> {
    check(name, value)
    const { live, renew } = this.#parts
    const isNew = await (await this.#parts.parameters()).put(name, value)
    const functions = functionsWith(await live(), name)
    if (functions.length > 0) await renew()
    return { name, isNew, functions }
  }

  async remove(project: string, name: string): Promise<void> {
    const { live } = this.#parts
    const parameters = await this.#parts.parameters()
    const names = (await parameters.list()).map(secret => secret.name)
    if (!names.includes(name)) {
      throw new MokaError(
        'SECRETS_UNKNOWN',
        `cannot remove secret "${name}": project "${project}" has no such secret on AWS`,
        names.length === 0 ? {} : { hint: `one of ${names.join(', ')}` },
      )
    }
    const release = await live()
    const [user] = functionsWith(release, name)
    if (user !== undefined || notifiesBy(release, name)) {
      const who = user === undefined ? 'its notifications use' : `function "${user}" uses`
      throw new MokaError(
        'SECRETS_IN_USE',
        `cannot remove secret "${name}": ${who} it in the live release of project "${project}"`,
        { hint: 'take it out of moka.config.ts and deploy first' },
      )
    }
    await parameters.remove(name)
  }

  async forBuild(_project: string, names: readonly string[]): Promise<Record<string, string>> {
    return (await this.#parts.parameters()).values(names)
  }
}

function check(name: string, value: string): void {
  if (!NAME.test(name) || isReservedVariable(name)) {
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
