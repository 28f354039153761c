import type {
  CloudFormationClient,
  CreateChangeSetInput,
  DescribeChangeSetOutput,
  ResourceChange,
  Stack,
  StackEvent,
  StackResourceSummary,
} from '@aws-sdk/client-cloudformation'
import { FRESH, Renewed } from '../release/renewed.ts'
import { explainAwsError } from '../sdk/errors.ts'
import { sdk } from '../sdk/sdk.ts'

/** What a change set says: all of its changes, whether there are any, whether it is ready. */
export interface ChangeSet {
  status: string
  reason: string | undefined
  changes: ResourceChange[]
}

/** CloudFormation in one region; what it refuses is told in words. */
export class StackService {
  readonly region: string
  readonly #client: Renewed<CloudFormationClient>
  readonly #commands: Awaited<ReturnType<typeof sdk.cloudformation>>

  private constructor(region: string, commands: Awaited<ReturnType<typeof sdk.cloudformation>>) {
    this.region = region
    this.#commands = commands
    this.#client = new Renewed(() => new commands.CloudFormationClient({ region, ...FRESH }))
  }

  static async open(region: string): Promise<StackService> {
    return new StackService(region, await sdk.cloudformation())
  }

  close(): void {
    this.#client.close()
  }

  /** By its name, or by its id, which finds one that is deleted, too. */
  async find(name: string): Promise<Stack | undefined> {
    const { DescribeStacksCommand } = this.#commands
    try {
      const answer = await this.#client.run(client =>
        client.send(new DescribeStacksCommand({ StackName: name })),
      )
      return answer.Stacks?.[0]
    } catch (error) {
      // A stack that is not there is a ValidationError among others.
      if (/does not exist/.test((error as Error).message)) return undefined
      throw explainAwsError(error, `read stack "${name}"`)
    }
  }

  async createChangeSet(input: CreateChangeSetInput & { StackName: string }): Promise<void> {
    const { CreateChangeSetCommand } = this.#commands
    await this.#run(`plan a change of stack "${input.StackName}"`, client =>
      client.send(new CreateChangeSetCommand(input)),
    )
  }

  async describeChangeSet(stack: string, name: string): Promise<ChangeSet> {
    const { DescribeChangeSetCommand } = this.#commands
    const about = { StackName: stack, ChangeSetName: name }
    const changes: ResourceChange[] = []
    let NextToken: string | undefined
    for (;;) {
      const page: DescribeChangeSetOutput = await this.#run(
        `read the planned change of stack "${stack}"`,
        client =>
          client.send(
            new DescribeChangeSetCommand({
              ...about,
              ...(NextToken !== undefined && { NextToken }),
            }),
          ),
      )
      for (const { ResourceChange } of page.Changes ?? []) {
        if (ResourceChange !== undefined) changes.push(ResourceChange)
      }
      NextToken = page.NextToken
      if (NextToken !== undefined) continue
      return { status: page.Status ?? '', reason: page.StatusReason, changes }
    }
  }

  /** `token` comes back in every event, so that a second one sees who is at it. */
  async execute(stack: string, changeSet: string, token: string): Promise<void> {
    const { ExecuteChangeSetCommand } = this.#commands
    const input = { StackName: stack, ChangeSetName: changeSet, ClientRequestToken: token }
    await this.#run(`change stack "${stack}"`, client =>
      client.send(new ExecuteChangeSetCommand(input)),
    )
  }

  async deleteChangeSet(stack: string, changeSet: string): Promise<void> {
    const { DeleteChangeSetCommand } = this.#commands
    const input = { StackName: stack, ChangeSetName: changeSet }
    await this.#run(`take back the planned change of stack "${stack}"`, client =>
      client.send(new DeleteChangeSetCommand(input)),
    )
  }

  async delete(stack: string, token: string, retained: readonly string[] = []): Promise<void> {
    const { DeleteStackCommand } = this.#commands
    await this.#run(`delete stack "${stack}"`, client =>
      client.send(
        new DeleteStackCommand({
          ...{ StackName: stack, ClientRequestToken: token },
          // Taken only where a deletion has failed before.
          ...(retained.length > 0 && { RetainResources: [...retained] }),
        }),
      ),
    )
  }

  /** Newest first, up to the one that is known. */
  async events(stack: string, until: (event: StackEvent) => boolean): Promise<StackEvent[]> {
    const { DescribeStackEventsCommand } = this.#commands
    const found: StackEvent[] = []
    let NextToken: string | undefined
    do {
      const page = await this.#run(`read what happens to stack "${stack}"`, client =>
        client.send(
          new DescribeStackEventsCommand({
            StackName: stack,
            ...(NextToken !== undefined && { NextToken }),
          }),
        ),
      )
      for (const event of page.StackEvents ?? []) {
        if (until(event)) return found
        found.push(event)
      }
      NextToken = page.NextToken
    } while (NextToken !== undefined)
    return found
  }

  async resources(stack: string): Promise<StackResourceSummary[]> {
    const { ListStackResourcesCommand } = this.#commands
    const found: StackResourceSummary[] = []
    let NextToken: string | undefined
    do {
      const page = await this.#run(`read the resources of stack "${stack}"`, client =>
        client.send(
          new ListStackResourcesCommand({
            StackName: stack,
            ...(NextToken !== undefined && { NextToken }),
          }),
        ),
      )
      found.push(...(page.StackResourceSummaries ?? []))
      NextToken = page.NextToken
    } while (NextToken !== undefined)
    return found
  }

  /** The text it was last made by. */
  async template(stack: string): Promise<string> {
    const { GetTemplateCommand } = this.#commands
    const { TemplateBody = '{}' } = await this.#run(`read the template of "${stack}"`, client =>
      client.send(new GetTemplateCommand({ StackName: stack, TemplateStage: 'Original' })),
    )
    return TemplateBody
  }

  async #run<T>(what: string, call: (client: CloudFormationClient) => Promise<T>): Promise<T> {
    try {
      return await this.#client.run(call)
    } catch (error) {
      throw explainAwsError(error, what)
    }
  }
}
