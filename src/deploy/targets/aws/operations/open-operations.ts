import type { Project } from '../../../../config/project.ts'
import type { Migration } from '../../../../database/migrations/apply.ts'
import type { FunctionLogEntry } from '../../../../functions/version.ts'
import type { Clock } from '../../../../shared/clock.ts'
import { MokaError } from '../../../../shared/errors.ts'
import type { StatementResult } from '../../../database/run-sql.ts'
import { sdk } from '../sdk/sdk.ts'
import { DatabaseFunction } from './database/database-function.ts'
import { migrateUrl } from './database/migrate-url.ts'
import { type Snapshot, takeSnapshot } from './database/snapshot.ts'
import { type InvokedOnAws, invokeFunction } from './functions/invoke.ts'
import { AwsLogs } from './logs/aws-logs.ts'

/** What is asked of a project that stands on AWS already, besides its releases. */
export interface AwsOperations {
  invoke(name: string, payload: unknown): Promise<InvokedOnAws>
  /** Of one function, or of all that the project has. */
  logs(name: string | undefined, count: number): Promise<FunctionLogEntry[]>
  followLogs(
    name: string | undefined,
    count: number,
    onEntry: (entry: FunctionLogEntry) => void,
    signal: AbortSignal,
  ): Promise<void>
  database: {
    query(sql: string): Promise<StatementResult[]>
    migrate(migrations: readonly Migration[]): Promise<string[]>
    backup(onProgress: (percent: number) => void): Promise<Snapshot>
  }
}

/** Nothing is asked of AWS before one of these is. */
export function openAwsOperations(project: Project, clock: Clock): AwsOperations {
  const { name: own, aws } = project
  const settings = { region: aws.region }
  const names = project.functions.map(({ name }) => name)
  const logs = async () => {
    const { CloudWatchLogsClient } = await sdk.logs()
    return new AwsLogs({ client: new CloudWatchLogsClient(settings), project: own, clock })
  }
  const lambda = async () => {
    const { LambdaClient } = await sdk.lambda()
    // What it does is not done twice because an answer was long in coming.
    return new LambdaClient({ ...settings, maxAttempts: 1 })
  }
  const wanted = (name: string | undefined): readonly string[] => {
    if (name === undefined) return names
    if (names.includes(name)) return [name]
    throw new MokaError(
      'FUNCTIONS_UNKNOWN',
      `cannot read the log of function "${name}" of project "${own}": the project has no such function`,
      names.length === 0 ? {} : { hint: `one of ${names.join(', ')}` },
    )
  }
  return {
    invoke: async (name, payload) => invokeFunction(await lambda(), own, { name, payload, names }),
    logs: async (name, count) => (await logs()).tail(wanted(name), count),
    followLogs: async (name, count, onEntry, signal) =>
      (await logs()).follow(wanted(name), count, onEntry, signal),
    database: {
      async query(sql) {
        if (aws.database === 'none') throw noDatabase(own)
        return new DatabaseFunction(await lambda(), own).query(sql)
      },
      async migrate(migrations) {
        if (aws.database === 'none') throw noDatabase(own)
        const { database } = project
        if (database.kind === 'external') return migrateUrl(database.url, migrations)
        return new DatabaseFunction(await lambda(), own).migrate(migrations)
      },
      async backup(onProgress) {
        if (aws.database === 'none') throw noDatabase(own)
        if (aws.database !== 'rds') throw noSnapshot(own, aws.database)
        const [{ RDSClient }, { CloudFormationClient }] = await Promise.all([
          sdk.rds(),
          sdk.cloudformation(),
        ])
        const clients = {
          rds: new RDSClient(settings),
          stacks: new CloudFormationClient(settings),
        }
        return takeSnapshot(clients, own, { nowMs: clock.now() }, onProgress)
      },
    },
  }
}

function noDatabase(project: string): MokaError {
  return new MokaError('DATABASE_NONE', `project "${project}" has no database`, {
    hint: 'a folder migrations/ or `database: true` in moka.config.ts makes one',
  })
}

function noSnapshot(project: string, kind: 'dsql' | 'url'): MokaError {
  return new MokaError(
    'AWS_NO_SNAPSHOT',
    `cannot back up the database of project "${project}": ${kind === 'dsql' ? 'Aurora DSQL makes no snapshots; AWS Backup does it for whole clusters' : 'it is a server of your own'}`,
    {
      hint:
        kind === 'dsql'
          ? 'https://docs.aws.amazon.com/aurora-dsql/latest/userguide/backup-aurora-dsql.html'
          : 'its own tools do that, such as pg_dump',
    },
  )
}
