import { verifySite } from '../../deploy/verify.ts'
import { MokaError } from '../../shared/errors.ts'
import { type CloudOptions, findCloud, findProjectName } from '../find-cloud.ts'
import { createReporter, formatCount } from '../reporter.ts'

const MAX_SHOWN = 30

/** `moka verify`: asks the site for every file of the live release, and compares. */
export async function verify(
  address: string | undefined,
  options: CloudOptions & { json?: boolean },
): Promise<void> {
  const reporter = createReporter(options.json === true)
  const cloud = await findCloud(options)
  try {
    const project = await findProjectName(options)
    const { site } = (await cloud.api.status()).addresses
    // Without an address the cloud's own edge is asked, by the name that it has for the project.
    const host = address === undefined ? `${project}.localhost` : undefined
    const url = parseAddress(address ?? site)
    const { statement, files, deviations } = await verifySite(url, host, project, cloud.api)
    for (const { path, reason } of deviations.slice(0, MAX_SHOWN)) {
      reporter.line(`~ ${path}  ${reporter.dim(reason)}`)
    }
    const more = deviations.length - MAX_SHOWN
    if (more > 0) reporter.line(`  … and ${more} more; --json has them all`)
    const counts = [
      `${files.asReleased} as released`,
      ...(deviations.length === 0 ? [] : [`${deviations.length} differ`]),
      ...(files.hidden === 0 ? [] : [`${files.hidden} not public`]),
    ]
    const total = files.asReleased + files.hidden + deviations.length
    reporter.result(
      { ...statement, url: url.href, verified: files, deviations },
      `${formatCount(total, 'file')} of ${statement.release}: ${counts.join(', ')}; signed by this cloud`,
    )
    if (deviations.length > 0) process.exitCode = 1
  } finally {
    cloud.close()
  }
}

function parseAddress(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url !== undefined && /^https?:$/.test(url.protocol)) return url
  throw new MokaError('CLI_NO_ADDRESS', `cannot verify "${address}": it is no address of a site`, {
    hint: 'such as https://example.org',
  })
}
