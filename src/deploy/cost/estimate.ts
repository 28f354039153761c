import type { Project } from '../../config/project.ts'
import { type FreeTier, inCents, type Price } from './price.ts'
import {
  FREE_TIERS,
  GLOBAL_PRICES,
  type PricesOfRegion,
  type RegionalPrices,
} from './prices-aws.ts'
import { ASSUMED, type Usage } from './usage.ts'

const HOURS = 730 // of a month, as AWS counts: 365 × 24 / 12

/** One line of the bill, of one month. */
export interface CostLine {
  service: string
  what: string
  quantity: number
  unit: string
  price: Price
  /** In cents, after what is free. */
  usd: number
  /** In cents, as it would be without the free tier. */
  usdWithoutFree: number
  free?: FreeTier
}

export interface Estimate {
  visits: number
  lines: CostLine[]
  /** Sum of the lines as they are shown. */
  usd: number
  usdWithoutFree: number
}

/** The month's bill by service. Lines come for what the project has, whether or not they cost. */
export function estimate(
  project: Project,
  usage: Usage,
  visits: number,
  { prices }: Pick<PricesOfRegion, 'prices'>,
): Estimate {
  const lines = [
    ...nameLines(project, usage),
    ...edgeLines(project, usage, prices),
    ...bucketLines(usage, prices),
    ...functionLines(project, usage, prices),
    ...databaseLines(project, usage, prices),
    ...(project.aws.budget === undefined
      ? []
      : [line('Budgets', 'a budget that mails', 1, FREE_OF_CHARGE)]),
  ]
  const sum = (pick: (line: CostLine) => number) =>
    inCents(lines.reduce((all, one) => all + pick(one), 0))
  return {
    visits,
    lines,
    usd: sum(({ usd }) => usd),
    usdWithoutFree: sum(one => one.usdWithoutFree),
  }
}

/** A budget that only mails, without an action. */
const FREE_OF_CHARGE: Price = {
  usd: 0,
  per: 1,
  unit: 'budget',
  source: {
    page: 'https://aws.amazon.com/aws-cost-management/aws-budgets/pricing/',
    readFrom: 'not read; budgets without actions are free of charge',
    asOf: 'undated',
  },
}

function line(
  service: string,
  what: string,
  quantity: number,
  price: Price,
  free?: FreeTier,
): CostLine {
  const cost = (units: number) => inCents((units / price.per) * price.usd)
  return {
    service,
    what,
    quantity,
    unit: price.unit,
    price,
    usd: cost(Math.max(0, quantity - (free?.quantity ?? 0))),
    usdWithoutFree: cost(quantity),
    ...(free !== undefined && { free }),
  }
}

function nameLines({ domain, aws }: Project, usage: Usage): CostLine[] {
  if (domain === undefined) return []
  const { hostedZone, dnsQueries, kmsKey } = GLOBAL_PRICES
  return [
    line(
      'Route 53',
      aws.hostedZoneId === undefined ? 'zone' : 'zone, which you have',
      1,
      hostedZone,
    ),
    line('Route 53', 'questions that are not for the site', usage.dnsQueries, dnsQueries),
    ...(aws.hasDnssec ? [line('KMS', "DNSSEC's key", 1, kmsKey)] : []),
  ]
}

function edgeLines({ aws }: Project, usage: Usage, prices: RegionalPrices): CostLine[] {
  return [
    line(
      'CloudFront',
      'data to visitors',
      usage.cloudfrontGb,
      GLOBAL_PRICES.cloudfrontData,
      FREE_TIERS.cloudfrontData,
    ),
    line(
      'CloudFront',
      'requests',
      usage.cloudfrontRequests,
      prices.cloudfrontRequests,
      FREE_TIERS.cloudfrontRequests,
    ),
    line(
      'CloudFront',
      'functions at the edge',
      usage.edgeFunctionRuns,
      GLOBAL_PRICES.cloudfrontFunctions,
      FREE_TIERS.cloudfrontFunctions,
    ),
    aws.mode === 'classic'
      ? line(
          'CloudFront',
          'invalidated paths',
          usage.invalidatedPaths,
          GLOBAL_PRICES.invalidations,
          FREE_TIERS.invalidations,
        )
      : line(
          'CloudFront',
          'KeyValueStore reads',
          usage.keyValueReads,
          GLOBAL_PRICES.keyValueReads,
          FREE_TIERS.keyValueReads,
        ),
  ]
}

function bucketLines(usage: Usage, prices: RegionalPrices): CostLine[] {
  return [
    line('S3', 'files of releases, access logs', usage.s3Gb, prices.s3Storage),
    line('S3', 'reads by CloudFront', usage.s3Reads, prices.s3Reads),
    line('S3', 'writes by deploys', usage.s3Writes, prices.s3Writes),
  ]
}

function functionLines(
  { functions, aws }: Project,
  usage: Usage,
  prices: RegionalPrices,
): CostLine[] {
  if (functions.length === 0) return []
  const storedGb = usage.logGb * (aws.logRetentionDays / 30)
  return [
    ...(usage.httpApiCalls === 0
      ? []
      : [
          line(
            'API Gateway',
            'requests of the HTTP API',
            usage.httpApiCalls,
            prices.httpApiRequests,
          ),
        ]),
    line('Lambda', 'calls', usage.calls, prices.lambdaRequests, FREE_TIERS.lambdaRequests),
    line(
      'Lambda',
      'compute',
      usage.computeGbSeconds,
      prices.lambdaCompute,
      FREE_TIERS.lambdaCompute,
    ),
    line('CloudWatch', 'logs written', usage.logGb, prices.logIngestion, FREE_TIERS.logIngestion),
    line('CloudWatch', `logs kept for ${aws.logRetentionDays} days`, storedGb, prices.logStorage),
  ]
}

function databaseLines({ aws }: Project, usage: Usage, prices: RegionalPrices): CostLine[] {
  if (aws.database === 'rds') {
    return [
      line('RDS', 'PostgreSQL on db.t4g.micro', HOURS, prices.rdsHour),
      line('RDS', `${ASSUMED.databaseGb} GB of gp3`, ASSUMED.databaseGb, prices.rdsStorage),
      // As much as the database has is free; backups of a database are seldom larger.
      line('RDS', `backups above ${ASSUMED.databaseGb} GB`, 0, prices.rdsBackup),
    ]
  }
  if (aws.database === 'dsql') {
    return [
      line('Aurora DSQL', 'work', usage.dsqlUnits, prices.dsqlUnits, FREE_TIERS.dsqlUnits),
      line('Aurora DSQL', 'storage', ASSUMED.dsqlGb, prices.dsqlStorage, FREE_TIERS.dsqlStorage),
    ]
  }
  return []
}
