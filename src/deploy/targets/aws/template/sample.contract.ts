import type { AwsSettings } from '../../../../config/aws/aws-settings.ts'
import type { Project, ProjectFunction } from '../../../../config/project.ts'

/** A function as the configuration gives it, with what a test says of it. */
export function sampleFunction(
  name: string,
  settings: Partial<ProjectFunction> = {},
): ProjectFunction {
  return {
    name,
    runtime: 'node',
    entry: `/project/${name}.ts`,
    handler: 'handler',
    routes: [`/api/${name}`, `/api/${name}/*`],
    timeoutMs: 10_000,
    memoryMb: 256,
    environment: {},
    ...settings,
  }
}

/** A project with a limited Python function and one that has its own URL. */
export function sampleProject({
  aws = {},
  ...project
}: Omit<Partial<Project>, 'aws'> & { aws?: Partial<AwsSettings> } = {}): Project {
  return {
    root: '/project',
    name: 'site',
    site: undefined,
    functions: [
      sampleFunction('visits', {
        runtime: 'python',
        rateLimit: { count: 5, periodSeconds: 60, per: 'function' },
        reservedConcurrency: 5,
      }),
      sampleFunction('render'),
    ],
    database: { kind: 'none' },
    migrationsDirectory: '/project/migrations',
    dnsRecords: [],
    edge: {} as Project['edge'],
    warnings: [],
    ...project,
    aws: {
      region: 'eu-central-1',
      database: 'none',
      hasDnssec: false,
      mode: 'releases',
      functionUrls: [],
      logRetentionDays: 30,
      tags: {},
      ...aws,
    },
  }
}
