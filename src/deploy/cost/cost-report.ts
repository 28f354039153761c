import { isRegion } from '../../config/aws/validate-aws.ts'
import type { Project } from '../../config/project.ts'
import { MokaError } from '../../shared/errors.ts'
import { type Estimate, estimate } from './estimate.ts'
import { type Growth, growthOf } from './growth.ts'
import { type SiteWeight, weighSite } from './page-weight.ts'
import { inCents } from './price.ts'
import { pricesOf, READ_ON } from './prices-aws.ts'
import { HOME_SERVERS, type HomeServer } from './prices-home.ts'
import { ASSUMED, type MeasuredCalls, usageOf } from './usage.ts'

/** What a project costs on AWS in a month, for a traffic and for ten times that, and at home. */
export interface CostReport {
  project: string
  region: string
  /** The day that the table of prices was last gone through. */
  pricesReadOn: string
  /** Region → names of prices that were taken from there, for want of the region's own. */
  borrowedPrices: Record<string, string[]>
  site?: SiteWeight
  /** Sentences, for people. */
  assumptions: string[]
  estimates: [Estimate, Estimate]
  home: (HomeServer & { usdMonthly: number })[]
  growth: Growth[]
}

export interface CostQuestion {
  visits: number
  /** Default: the project's. */
  region?: string
  measured?: MeasuredCalls
}

/** Asks nobody: everything comes from the project, its built site and the tables of prices. */
export async function reportCost(
  project: Project,
  { visits, region = project.aws.region, measured = new Map() }: CostQuestion,
): Promise<CostReport> {
  if (!isRegion(region)) {
    throw new MokaError(
      'COST_NO_REGION',
      `cannot tell the costs in "${region}": that is no region`,
      {
        hint: 'such as us-east-1 or eu-central-1',
      },
    )
  }
  const site = await weigh(project)
  const { prices, borrowed } = pricesOf(region)
  const at = (count: number) =>
    estimate(project, usageOf(project, site, count, measured), count, { prices })
  return {
    project: project.name,
    region,
    pricesReadOn: READ_ON,
    borrowedPrices: borrowed,
    ...(site !== undefined && { site }),
    assumptions: assumptionsOf(project, site, measured),
    estimates: [at(visits), at(visits * 10)],
    home: HOME_SERVERS.map(server => ({ ...server, usdMonthly: inCents(server.usdMonthly) })),
    growth: growthOf(project, site, prices),
  }
}

/** Undefined where the site was never built: nobody is to wait for a build to hear what AWS costs. */
async function weigh({ site }: Project): Promise<SiteWeight | undefined> {
  if (site === undefined) return { files: 0, bytes: 0 }
  try {
    return await weighSite(site.directory)
  } catch (error) {
    if (error instanceof MokaError && error.code === 'DEPLOY_SITE_MISSING') return undefined
    throw error
  }
}

function assumptionsOf(
  { functions, aws, site: siteSettings }: Project,
  site: SiteWeight | undefined,
  measured: MeasuredCalls,
): string[] {
  const sentences: string[] = []
  const page = site?.page
  if (page !== undefined) {
    const { files, bytes, pages } = page
    sentences.push(
      `a visit is one page of the built site with all that it loads: ${files.toFixed(1)} files and ${Math.ceil(bytes / 1000)} KB, the mean of ${pages}`,
    )
  } else if (siteSettings !== undefined && site === undefined) {
    sentences.push(
      `the site is not built yet: a visit is taken as ${ASSUMED.pageFiles} files and ${ASSUMED.pageBytes / 1000} KB; build it for a better figure`,
    )
  }
  if (functions.length > 0) {
    const times = functions.map(({ name }) => {
      const ms = measured.get(name)
      return ms === undefined
        ? `${name} ${ASSUMED.callMs} ms`
        : `${name} ${Math.ceil(ms)} ms, as at home`
    })
    sentences.push(`each function is called once in a visit, and takes: ${times.join('; ')}`)
  }
  sentences.push(
    `CloudFront asks S3 for ${ASSUMED.missRatio * 100} % of the files; ${ASSUMED.deploysPerMonth} deploys of ${ASSUMED.changedFilesPerDeploy} changed files; visitors are near the region, in Europe or North America`,
  )
  if (aws.database === 'dsql') {
    sentences.push(
      `a call takes ${ASSUMED.unitsPerCall} DPUs; the database has ${ASSUMED.dsqlGb} GB`,
    )
  }
  if (aws.database === 'url') sentences.push('the database at database.url is not counted')
  sentences.push(
    'an account made since 15 July 2025 has 100 to 200 USD of credits, which pay first; on the free plan it is closed when they are used up, or after six months',
    'without tax and the domain itself; the few calls that a deploy makes to the KeyValueStore are not counted',
  )
  return sentences
}
