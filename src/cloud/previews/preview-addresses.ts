import type { CloudAddresses } from '../../control/cloud-api.ts'
import { MokaError } from '../../shared/errors.ts'

/** RFC 1035 §2.3.4, as text. */
const MAX_HOST_LENGTH = 253

/** The hosts of a preview: that under the project's domain first, where it has one. */
export function previewHosts(project: string, name: string, domain: string | undefined): string[] {
  const local = `${name}.preview.${project}.localhost`
  return domain === undefined ? [local] : [`${name}.preview.${domain}`, local]
}

/** Throws `CLOUD_PREVIEW_HOST`. */
export function checkPreviewHosts(hosts: readonly string[]): void {
  const tooLong = hosts.find(host => host.length > MAX_HOST_LENGTH)
  if (tooLong === undefined) return
  throw new MokaError(
    'CLOUD_PREVIEW_HOST',
    `cannot make a preview at "${tooLong}": a name has ${MAX_HOST_LENGTH} characters at most`,
    { hint: 'choose a shorter name' },
  )
}

/** Where a preview is looked at: from elsewhere, if it can be, and on the machine of the cloud. */
export function previewUrls(
  hosts: readonly string[],
  { site, https }: Pick<CloudAddresses, 'site' | 'https'>,
  mode: 'dev' | 'up',
): { url: string; localUrl: string } {
  const localUrl = urlOf(hosts.at(-1)!, site)
  const isPublic = mode === 'up' && hosts.length > 1
  return { url: isPublic ? urlOf(hosts[0]!, https ?? site) : localUrl, localUrl }
}

/** The same door under another name; ports that go without saying are left out. */
function urlOf(host: string, door: string): string {
  const url = new URL(door)
  url.hostname = host
  return url.href
}
