import type { Parameter, SSMClient } from '@aws-sdk/client-ssm'
import { MokaError } from '../../../../../shared/errors.ts'
import { explainAwsError } from '../../sdk/errors.ts'
import { sdk } from '../../sdk/sdk.ts'
import { PROJECT_TAG, secretParameter } from '../../stack/names.ts'

/** A project's secrets in Parameter Store, encrypted by the account's own key. */
export class SecretParameters {
  readonly #client: Pick<SSMClient, 'send'>
  readonly #project: string

  constructor(client: Pick<SSMClient, 'send'>, project: string) {
    this.#client = client
    this.#project = project
  }

  static async open(project: string, region: string): Promise<SecretParameters> {
    const { SSMClient } = await sdk.ssm()
    return new SecretParameters(new SSMClient({ region }), project)
  }

  /** In order of their names. */
  async list(): Promise<{ name: string; setMs: number }[]> {
    const parameters = await this.#parameters(false)
    return parameters
      .map(({ Name = '', LastModifiedDate }) => ({
        name: nameOf(Name),
        setMs: LastModifiedDate?.getTime() ?? 0,
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** For functions and builds, and for nobody's eyes. Throws `SECRETS_NOT_SET`. */
  async values(names: readonly string[]): Promise<Record<string, string>> {
    if (names.length === 0) return {}
    const parameters = await this.#parameters(true)
    const values = new Map(parameters.map(({ Name = '', Value = '' }) => [nameOf(Name), Value]))
    const found = names.map(name => {
      const value = values.get(name)
      if (value !== undefined) return [name, value]
      throw new MokaError(
        'SECRETS_NOT_SET',
        `cannot find secret "${name}" of project "${this.#project}": it is not set on AWS`,
        { hint: `moka secrets set ${name} --to aws` },
      )
    })
    return Object.fromEntries(found) as Record<string, string>
  }

  /** Whether it is new. */
  async put(name: string, value: string): Promise<boolean> {
    const { PutParameterCommand, AddTagsToResourceCommand } = await sdk.ssm()
    const Name = secretParameter(this.#project, name)
    const { Version } = await this.#run(`set secret "${name}"`, client =>
      client.send(
        new PutParameterCommand({ Name, Value: value, Type: 'SecureString', Overwrite: true }),
      ),
    )
    if (Version !== 1) return false
    await this.#run(`tag secret "${name}"`, client =>
      client.send(
        new AddTagsToResourceCommand({
          ...{ ResourceType: 'Parameter', ResourceId: Name },
          Tags: [{ Key: PROJECT_TAG, Value: this.#project }],
        }),
      ),
    )
    return true
  }

  async remove(name: string): Promise<void> {
    const { DeleteParameterCommand } = await sdk.ssm()
    await this.#run(`remove secret "${name}"`, client =>
      client.send(new DeleteParameterCommand({ Name: secretParameter(this.#project, name) })),
    )
  }

  #parameters(withValues: boolean): Promise<Parameter[]> {
    return this.#run(`read the secrets of project "${this.#project}"`, client =>
      listParameters(client, this.#project, withValues),
    )
  }

  async #run<T>(what: string, call: (client: Pick<SSMClient, 'send'>) => Promise<T>): Promise<T> {
    try {
      return await call(this.#client)
    } catch (error) {
      throw explainAwsError(error, what)
    }
  }
}

/** Of all secrets of a project; what SSM refuses is thrown as it says it. */
async function listParameters(
  client: Pick<SSMClient, 'send'>,
  project: string,
  withValues: boolean,
): Promise<Parameter[]> {
  const { GetParametersByPathCommand } = await sdk.ssm()
  const Path = secretParameter(project, '').replace(/\/$/, '')
  const found: Parameter[] = []
  let NextToken: string | undefined
  do {
    const page = await client.send(
      new GetParametersByPathCommand({
        ...{ Path, WithDecryption: withValues },
        ...(NextToken === undefined ? {} : { NextToken }),
      }),
    )
    found.push(...(page.Parameters ?? []))
    NextToken = page.NextToken
  } while (NextToken !== undefined)
  return found
}

/** Names of the secrets that are set; what SSM refuses is thrown as it says it. */
export async function listSecretNames(
  client: Pick<SSMClient, 'send'>,
  project: string,
): Promise<string[]> {
  return (await listParameters(client, project, false)).map(({ Name = '' }) => nameOf(Name))
}

function nameOf(parameter: string): string {
  return parameter.slice(parameter.lastIndexOf('/') + 1)
}
