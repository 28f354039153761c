import type { CloudStatus } from '../control/cloud-api.ts'

/**
 * Where this machine's visitors find a project: by its own name once the cloud has others, for an
 * address alone leads to none of them then.
 */
export function projectAddress(
  { addresses: { site }, projects }: Pick<CloudStatus, 'addresses' | 'projects'>,
  project: string,
): string {
  const url = new URL(site)
  const isAlone = projects.every(name => name === project)
  if (isAlone || !/^(?:127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)) return site
  url.hostname = `${project}.localhost`
  return url.origin
}
