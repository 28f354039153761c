import type { ProjectBuild } from '../../config/site/site.ts'
import type { CloudApi } from '../../control/cloud-api.ts'
import { Masker } from '../../shared/masking/masker.ts'

/**
 * The build with the values of the secrets that it names: from this environment, or else from the
 * cloud, which gives them to the builds of pushes alone. Throws what the cloud says where one is not
 * to be had.
 */
export async function withSecrets(
  build: ProjectBuild,
  project: string,
  target: Partial<Pick<CloudApi, 'secrets'>>,
  from: Readonly<Record<string, string | undefined>> = process.env,
): Promise<ProjectBuild> {
  const { secrets: names = [] } = build
  const missing = names.filter(name => from[name] === undefined)
  const kept = missing.length === 0 ? {} : await target.secrets?.forBuild(project, missing)
  const own = Object.fromEntries(names.map(name => [name, from[name] ?? kept?.[name] ?? '']))
  return { ...build, variables: own }
}

/** What a build says without its secrets. To be ended, for it may hold a beginning of one back. */
export function maskOutput<T extends { onBuildOutput?(text: string): void }>(
  observer: T,
  build: ProjectBuild | undefined,
): { observer: T; end(): void } {
  const show = observer.onBuildOutput?.bind(observer)
  if (show === undefined || build?.variables === undefined) return { observer, end() {} }
  const stream = new Masker(Object.values(build.variables)).stream()
  const give = (text: string) => {
    if (text !== '') show(text)
  }
  return {
    observer: { ...observer, onBuildOutput: text => give(stream.push(text)) },
    end: () => give(stream.end()),
  }
}
