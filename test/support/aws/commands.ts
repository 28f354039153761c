import { type MokaResult, moka } from '../moka.ts'
import type { Aws } from './start.ts'
import type { TestEdge } from './test-edge.ts'

/** Where commands run: a project's folder, its account, and the edge at which its site is asked. */
export interface AwsPlace {
  aws: Aws
  edge: TestEdge
  folder: string
  /** Besides those of the account. */
  env?: Record<string, string> | undefined
}

/** The environment of commands that speak to a test's account. */
export function awsEnv({ aws, edge, env }: Pick<AwsPlace, 'aws' | 'edge' | 'env'>) {
  return { ...aws.env, MOKA_AWS_SITE: edge.address, ...env }
}

/** Runs `moka … --to aws --json`. */
export function mokaOnAws(
  place: AwsPlace,
  args: readonly string[],
  input?: string,
): Promise<MokaResult> {
  return moka([...args, '--to', 'aws', '--json'], {
    cwd: place.folder,
    env: awsEnv(place),
    ...(input === undefined ? {} : { input }),
  })
}

/** What the one line of a command's output says; undefined where it has none. */
export function outputOf({ stdout }: Pick<MokaResult, 'stdout'>) {
  return stdout === '' ? undefined : JSON.parse(stdout)
}
