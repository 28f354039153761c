import type { Project, ProjectFunction } from '../../config/project.ts'
import type { SiteWeight } from './page-weight.ts'
import { FREE_TIERS, GLOBAL_PRICES, type RegionalPrices } from './prices-aws.ts'

const HOURS = 730
const SECONDS = HOURS * 3600
/** Executions at once that a new account may have, and an old one by default (Lambda quotas). */
const [NEW_ACCOUNT_CONCURRENCY, CONCURRENCY] = [10, 1000]
/** What nobody can make dear by downloading it. */
const SMALL_BYTES = 1_000_000
/** db.t4g.micro has two, each with a tenth of its time paid for; more is bought by itself. */
const [VCPUS, BASELINE] = [2, 0.1]

/**
 * Since November 2025; allowances of 100 GB and 50 TB, beyond which AWS may slow the site, or ask for
 * the next plan. https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/flat-rate-pricing-plan.html
 */
const FLAT_RATE =
  'a flat-rate plan of CloudFront, which you choose in its console for the distribution, and which bills nothing beyond its price: 0 USD a month for 100 GB and a million requests, 15 for 50 TB and ten million (accounts on the free plan get none, and Mokapot makes none)'

/** What of a bill depends on strangers or on mistakes. */
export interface Growth {
  what: string
  /** Whether a setting of the project stops it already. */
  isBounded: boolean
  /** How it grows, with a figure. */
  grows: string
  /** What stops it: the setting, or what to do where there is none. */
  stops: string
}

/** What can grow without bound, those that nothing stops first. */
export function growthOf(
  project: Project,
  site: SiteWeight | undefined,
  prices: RegionalPrices,
): Growth[] {
  const { aws } = project
  const all = [
    dataOut(project, site),
    ...project.functions.map(one => calls(one, prices)),
    ...(aws.database === 'rds' ? [processor(prices)] : []),
    ...(aws.database === 'dsql' ? [databaseWork(project, prices)] : []),
    ...(project.functions.length === 0 ? [] : [logs(project, prices)]),
    gateway(project),
    budget(project),
  ]
  return all.toSorted((a, b) => Number(a.isBounded) - Number(b.isBounded))
}

function dataOut({ edge }: Project, site: SiteWeight | undefined): Growth {
  const free = FREE_TIERS.cloudfrontData.quantity
  const perTb = dollars(GLOBAL_PRICES.cloudfrontData.usd * 1000)
  const largest = site?.largest
  const example =
    largest === undefined || largest.bytes < SMALL_BYTES
      ? ''
      : `; "${largest.path}" alone, ${megabytes(largest.bytes)}, is past that after ${count((free * 1e9) / largest.bytes)} downloads`
  const isSigned = (edge.behaviors ?? []).some(({ signedBy }) => signedBy !== undefined)
  return {
    what: 'data to visitors',
    isBounded: false,
    grows: `${perTb} USD for each TB after the ${free / 1000} TB that is free, whoever asks: one audio file that became known was a bill of 104,500 USD in a month${example}`,
    stops: `${FLAT_RATE}; or keep large files elsewhere, or ${isSigned ? 'under the paths that you have signed' : 'give their paths to those alone who have a signed address (behaviors: signedBy)'}, and have a budget tell you`,
  }
}

function calls(one: ProjectFunction, prices: RegionalPrices): Growth {
  const { name, memoryMb, routes, rateLimit, reservedConcurrency } = one
  const compute = (memoryMb / 1024) * SECONDS * prices.lambdaCompute.usd
  const what = `calls of "${name}"`
  if (reservedConcurrency !== undefined) {
    const most = dollars(compute * reservedConcurrency)
    return {
      what,
      isBounded: true,
      grows: `${reservedConcurrency} at once, ${most} USD of compute a month at the most`,
      stops: `functions.${name}.reservedConcurrency`,
    }
  }
  if (rateLimit !== undefined) {
    // The HTTP API has a bucket of tokens for each route.
    const most = (SECONDS / rateLimit.periodSeconds) * rateLimit.count * routes.length
    return {
      what,
      isBounded: true,
      grows: `some ${count(most)} calls let through in a month, ${rateLimit.count} each ${seconds(rateLimit.periodSeconds)} on each route; what is refused costs nothing of Lambda`,
      stops: `functions.${name}.rateLimit, which AWS counts over all callers`,
    }
  }
  return {
    what,
    isBounded: false,
    grows: `as often as somebody calls: ${dollars(compute * NEW_ACCOUNT_CONCURRENCY)} USD of compute a month at the ${NEW_ACCOUNT_CONCURRENCY} at once of a new account, ${dollars(compute * CONCURRENCY)} at ${count(CONCURRENCY)}`,
    stops: `functions.${name}.rateLimit, such as '5/minute'`,
  }
}

function processor(prices: RegionalPrices): Growth {
  const most = VCPUS * (1 - BASELINE) * HOURS * prices.rdsCpuCredits.usd
  return {
    what: "the database's processor",
    isBounded: false,
    grows: `above a tenth of its time, for long, it is paid for: ${dollars(most)} USD a month at the most, which is its bound`,
    stops: 'a rateLimit on the functions that ask it, and an index for the statement that is slow',
  }
}

function databaseWork({ functions }: Project, prices: RegionalPrices): Growth {
  const perMillion = dollars(prices.dsqlUnits.usd)
  const isBounded =
    functions.length > 0 && functions.every(({ rateLimit }) => rateLimit !== undefined)
  return {
    what: "the database's work",
    isBounded,
    grows: `${perMillion} USD for each million DPUs; a statement that reads a whole table takes many`,
    stops: isBounded
      ? 'the rateLimit of every function'
      : 'a rateLimit on each function that asks it',
  }
}

function logs({ aws }: Project, prices: RegionalPrices): Growth {
  return {
    what: 'logs',
    isBounded: true,
    grows: `${dollars(prices.logIngestion.usd)} USD for each GB that functions write after the first ${FREE_TIERS.logIngestion.quantity}; they go after ${aws.logRetentionDays} days`,
    stops: 'aws.logRetentionDays for what stays, and what stops the calls for what comes',
  }
}

function gateway({ aws }: Project): Growth {
  const most = dollars(GLOBAL_PRICES.natGatewayHour.usd * HOURS)
  return {
    what: 'a NAT gateway',
    isBounded: true,
    grows: `none is ever made; one is ${most} USD a month before it has carried anything`,
    stops:
      aws.database === 'rds'
        ? 'functions go out over IPv6 alone, which costs nothing; one that has to reach a host without it: dsql, or database.url'
        : 'functions are in no network of their own',
  }
}

function budget({ aws }: Project): Growth {
  return {
    what: 'a budget',
    isBounded: false,
    grows:
      aws.budget === undefined
        ? 'there is none, so the first to tell you is the bill'
        : `mails to ${aws.budget.email} at 80 % of ${aws.budget.monthlyUsd} USD; it stops nothing`,
    stops:
      aws.budget === undefined
        ? "aws: { budget: { monthlyUsd: 20, email: 'you@example.org' } }, which mails and stops nothing"
        : 'you: `moka destroy --to aws` takes everything away but the data',
  }
}

function dollars(usd: number): string {
  return usd.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
}

function count(number: number): string {
  return Math.floor(number).toLocaleString('en-US')
}

function megabytes(bytes: number): string {
  return bytes < 100_000 ? `${Math.ceil(bytes / 1000)} KB` : `${(bytes / 1e6).toFixed(1)} MB`
}

function seconds(period: number): string {
  const names: Record<number, string> = { 1: 'second', 60: 'minute', 3600: 'hour', 86400: 'day' }
  return names[period] ?? `${period} seconds`
}
