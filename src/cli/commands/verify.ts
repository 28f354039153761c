import { verifySite } from '../../deploy/verify.ts'
import { MokaError } from '../../shared/errors.ts'
import { findCloud, findProjectName } from '../find-cloud.ts'
import { openAws, type TargetOptions } from '../find-target.ts'
import { createReporter, formatCount, type Reporter } from '../reporter.ts'

const MAX_SHOWN = 30

/** `moka verify`: asks the site for every file of the live release, and compares. */
export async function verify(address: string | undefined, options: TargetOptions): Promise<void> {
  const reporter = createReporter(options.json === true)
  const released = await findReleased(address, options, reporter)
  try {
    const { url, host, project, cloud } = released
    const { statement, files, deviations } = await verifySite(url, host, project, cloud)
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
    await released.close()
  }
}

/** What is asked, and who knows what it has to answer. */
interface Released {
  url: URL
  host: string | undefined
  project: string
  cloud: Parameters<typeof verifySite>[3]
  close(): Promise<void>
}

async function findReleased(
  address: string | undefined,
  options: TargetOptions,
  reporter: Reporter,
): Promise<Released> {
  if (options.to === 'aws') {
    // Nothing is written: so nobody who deploys is waited for.
    const { project, target } = await openAws(options, { reporter, isDryRun: true })
    const cloud = {
      live: () => target.live(project.name),
      status: async () => ({ signingKey: await target.signingKey() }),
    }
    const close = () => target.close()
    try {
      const url = parseAddress(address ?? (await target.address()) ?? '')
      return { url, host: undefined, project: project.name, cloud, close }
    } catch (error) {
      await close()
      throw error
    }
  }
  const cloud = await findCloud(options)
  const close = async () => cloud.close()
  try {
    const project = await findProjectName(options)
    const { site } = (await cloud.api.status()).addresses
    // Without an address the cloud's own edge is asked, by the name that it has for the project.
    const host = address === undefined ? `${project}.localhost` : undefined
    return { url: parseAddress(address ?? site), host, project, cloud: cloud.api, close }
  } catch (error) {
    await close()
    throw error
  }
}

function parseAddress(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url !== undefined && /^https?:$/.test(url.protocol)) return url
  throw new MokaError('CLI_NO_ADDRESS', `cannot verify "${address}": it is no address of a site`, {
    hint: 'such as https://example.org',
  })
}
