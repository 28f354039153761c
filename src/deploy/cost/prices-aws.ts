import type { FreeTier, Price, PriceSource } from './price.ts'

// Read on 2026-11-23, from stored copies of public pages. AWS's own list of prices is at
// https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/index.json. A new price is a new figure and
// a new `asOf` here; src/deploy/cost/README.md says how.

/** When this table was last gone through. */
export const READ_ON = '2026-11-23'

const source = (page: string, readFrom: string, asOf: string): PriceSource => ({
  page,
  readFrom,
  asOf,
})
const price = (usd: number, unit: string, from: PriceSource, per = 1): Price => ({
  usd,
  per,
  unit,
  source: from,
})

const MILLION = 1_000_000
const PRICE_LIST = 'https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws'
const RDS = 'https://aws.amazon.com/rds/postgresql/pricing/'
const LAMBDA = 'https://aws.amazon.com/lambda/pricing/'
const HTTP_API = 'https://aws.amazon.com/api-gateway/pricing/'
const S3 = 'https://aws.amazon.com/s3/pricing/'
const LOGS = 'https://aws.amazon.com/cloudwatch/pricing/'
const CLOUDFRONT = 'https://aws.amazon.com/cloudfront/pricing/'
const DSQL = 'https://aws.amazon.com/rds/aurora/dsql/pricing/'

const rdsGuide = source(
  RDS,
  'https://www.usage.ai/blogs/aws/reserved-instances/rds/pricing-calculator/',
  '2026-06',
)
const lambdaGuide = source(LAMBDA, 'https://cloudchipr.com/blog/aws-lambda-pricing', '2024')
const s3Guide = source(
  S3,
  'https://github.com/JasonZ-Git/JasonTechnology, git-books/AWS_Pricing_Simple.md',
  'undated',
)
const s3Frankfurt = source(
  S3,
  'a published model that cites the Price List API: EUC1-TimedStorage-ByteHrs, EUC1-Requests-Tier1 and -Tier2',
  '2026-06-30',
)
const dsqlGuide = source(
  DSQL,
  'https://www.usage.ai/blogs/aws/database-savings-plans/aurora/dsql-pricing/',
  '2026',
)
const logsGuide = source(LOGS, 'https://c3x.dev/blog/cloudwatch-logs-cost-optimization', '2026-06')
const cloudfrontPage = source(CLOUDFRONT, 'http://aws.amazon.com/cloudfront/pricing', 'undated')
/** AWS's list for Ireland, as github.com/mamtha4u/SDLC keeps it. */
const irelandList = (service: string) =>
  source(
    `${PRICE_LIST}/${service}/current/eu-west-1/index.json`,
    'https://github.com/mamtha4u/SDLC/blob/45b7bae453281a7599bcbe863f7e547e2fd5e1ef/backend/config/pricing_eu-west-1.json',
    '2026-10-02',
  )
const frankfurtBill = source(
  RDS,
  'a published bill: EUC1-InstanceUsage:db.t4g.micro 13.68 USD for 720 hours, EUC1-RDS:GP3-Storage 2.74 USD for 20 GB',
  'undated',
)

/** Prices that are another in every region. */
export interface RegionalPrices {
  rdsHour: Price
  rdsStorage: Price
  rdsBackup: Price
  rdsCpuCredits: Price
  dsqlUnits: Price
  dsqlStorage: Price
  lambdaCompute: Price
  lambdaRequests: Price
  httpApiRequests: Price
  s3Storage: Price
  s3Writes: Price
  s3Reads: Price
  /** By where visitors are, who are taken to be near the region. */
  cloudfrontRequests: Price
  logIngestion: Price
  logStorage: Price
}

const usEast1: RegionalPrices = {
  rdsHour: price(
    0.016,
    'hour of db.t4g.micro',
    source(RDS, 'https://infratally.com/articles/aws-rds-pricing-explained-2026.html', '2026'),
  ),
  rdsStorage: price(0.115, 'GB-month', rdsGuide),
  rdsBackup: price(0.095, 'GB-month', rdsGuide),
  rdsCpuCredits: price(
    0.075,
    'vCPU-hour',
    source(RDS, 'a published runbook that reads the Price List API', '2026-09-24'),
  ),
  dsqlUnits: price(8, 'DPU', dsqlGuide, MILLION),
  dsqlStorage: price(0.33, 'GB-month', dsqlGuide),
  lambdaCompute: price(0.0000133334, 'GB-second on arm64', lambdaGuide),
  lambdaRequests: price(0.2, 'request', lambdaGuide, MILLION),
  httpApiRequests: price(
    1,
    'request',
    source(
      HTTP_API,
      'https://docs.aws.amazon.com/whitepapers/latest/best-practices-api-gateway-private-apis-integration/cost-optimization.html',
      'undated',
    ),
    MILLION,
  ),
  s3Storage: price(0.023, 'GB-month', s3Guide),
  s3Writes: price(0.005, 'PUT, COPY or LIST', s3Guide, 1000),
  s3Reads: price(0.0004, 'GET', s3Guide, 1000),
  cloudfrontRequests: price(
    0.01,
    'HTTPS request',
    source(
      CLOUDFRONT,
      'a copy of the Price List API: $0.0100 per 10,000 HTTPS Requests',
      'undated',
    ),
    10_000,
  ),
  logIngestion: price(0.5, 'GB', logsGuide),
  logStorage: price(0.03, 'GB-month', logsGuide),
}

/** SKU YA5QZD7XG45UGHCH of the list. */
const europeanRequests = price(
  0.012,
  'HTTPS request',
  source(
    `${PRICE_LIST}/AmazonCloudFront/current/index.json`,
    'a published model that cites that list: EU-Requests-Tier2-HTTPS',
    '2026-06-30',
  ),
  10_000,
)

/** What was read of other regions; the rest is taken from the nearest that has it. */
const euWest1: Partial<RegionalPrices> = {
  rdsHour: price(
    0.017,
    'hour of db.t4g.micro',
    source(RDS, 'a published bill: EU-InstanceUsage:db.t4g.micro 0.0170 USD an hour', 'undated'),
  ),
  rdsStorage: price(
    0.127,
    'GB-month',
    source(
      RDS,
      'https://blog.thebescloud.com/rds-gp3-volumes-decrypting-the-latest-storage-announcement-from-aws',
      '2022',
    ),
  ),
  lambdaCompute: price(0.0000133334, 'GB-second on arm64', irelandList('AWSLambda')),
  lambdaRequests: price(0.2, 'request', irelandList('AWSLambda'), MILLION),
  httpApiRequests: price(1.11, 'request', irelandList('AmazonApiGateway'), MILLION),
  cloudfrontRequests: europeanRequests,
  logIngestion: price(0.57, 'GB', irelandList('AmazonCloudWatch')),
  logStorage: price(0.03, 'GB-month', irelandList('AmazonCloudWatch')),
}

const euCentral1: Partial<RegionalPrices> = {
  rdsHour: price(0.019, 'hour of db.t4g.micro', frankfurtBill),
  rdsStorage: price(0.137, 'GB-month', frankfurtBill),
  s3Storage: price(0.0245, 'GB-month', s3Frankfurt),
  s3Writes: price(0.0054, 'PUT, COPY or LIST', s3Frankfurt, 1000),
  s3Reads: price(0.00043, 'GET', s3Frankfurt, 1000),
  cloudfrontRequests: europeanRequests,
  logIngestion: price(
    0.63,
    'GB',
    source(LOGS, 'a published list of billing rules: EUC1-DataProcessing-Bytes', '2025-01-01'),
  ),
}

/** Regions of the table, each with where its missing prices come from. */
const REGIONS: Record<string, { prices: Partial<RegionalPrices>; next?: string }> = {
  'us-east-1': { prices: usEast1 },
  'eu-west-1': { prices: euWest1, next: 'us-east-1' },
  'eu-central-1': { prices: euCentral1, next: 'eu-west-1' },
}

/** Prices that are the same everywhere. CloudFront's GB is that of North America and Europe. */
export const GLOBAL_PRICES = {
  hostedZone: price(
    0.5,
    'zone and month',
    source(
      'https://aws.amazon.com/route53/pricing/',
      'https://ns1.com/resources/aws-dns',
      'undated',
    ),
  ),
  dnsQueries: price(
    0.4,
    'query',
    source(
      'https://aws.amazon.com/route53/pricing/',
      'a published runbook that cites that page',
      '2026-09',
    ),
    MILLION,
  ),
  kmsKey: price(
    1,
    'key and month',
    source(
      'https://aws.amazon.com/kms/pricing/',
      'a published bill: KMS-Keys 3.00 USD for 3',
      'undated',
    ),
  ),
  cloudfrontData: price(0.085, 'GB', cloudfrontPage),
  cloudfrontFunctions: price(
    0.1,
    'run of a CloudFront Function',
    source(CLOUDFRONT, 'https://cur.vantage.sh/aws/amazoncloudfront/', 'undated'),
    MILLION,
  ),
  keyValueReads: price(
    0.03,
    'KeyValueStore read',
    source(CLOUDFRONT, 'published notes that cite that page', 'undated'),
    MILLION,
  ),
  invalidations: price(
    0.005,
    'path',
    source(
      CLOUDFRONT,
      'https://docs.aws.amazon.com/whitepapers/latest/how-aws-pricing-works/cloudfront.html',
      'undated',
    ),
  ),
  natGatewayHour: price(
    0.045,
    'hour',
    source(
      'https://aws.amazon.com/vpc/pricing/',
      'a published runbook that reads the Price List API',
      '2026-09-10',
    ),
  ),
}

const free = (quantity: number, unit: string, from: PriceSource): FreeTier => ({
  quantity,
  unit,
  source: from,
})

/** Free in every account, every month, for ever. What is free for some months alone is not counted. */
export const FREE_TIERS = {
  cloudfrontData: free(1000, 'GB to visitors', cloudfrontPage),
  cloudfrontRequests: free(10 * MILLION, 'requests', cloudfrontPage),
  cloudfrontFunctions: free(2 * MILLION, 'runs of functions', cloudfrontPage),
  keyValueReads: free(2 * MILLION, 'KeyValueStore reads', cloudfrontPage),
  invalidations: free(1000, 'invalidated paths', GLOBAL_PRICES.invalidations.source),
  lambdaRequests: free(MILLION, 'calls', lambdaGuide),
  lambdaCompute: free(400_000, 'GB-seconds', lambdaGuide),
  logIngestion: free(
    5,
    'GB of logs',
    source(
      LOGS,
      'https://hykell.com/kb/platform-specific-guides/aws-cloudwatch-logs-pricing',
      '2026',
    ),
  ),
  dsqlUnits: free(100_000, 'DPUs', dsqlGuide),
  dsqlStorage: free(1, 'GB of storage', dsqlGuide),
}

/** What a region's prices are, and which of them are another region's. */
export interface PricesOfRegion {
  prices: RegionalPrices
  /** Region → names of the prices that were taken from there, for want of the region's own. */
  borrowed: Record<string, string[]>
}

/** Prices of a region; those that the table has not are the nearest region's that it has. */
export function pricesOf(region: string): PricesOfRegion {
  const borrowed: Record<string, string[]> = {}
  const prices = { ...usEast1 }
  for (const name of Object.keys(usEast1) as (keyof RegionalPrices)[]) {
    const from = regionWith(name, region)
    prices[name] = REGIONS[from]!.prices[name]!
    if (from !== region) borrowed[from] = [...(borrowed[from] ?? []), name]
  }
  return { prices, borrowed }
}

function regionWith(name: keyof RegionalPrices, region: string): string {
  let from: string | undefined = region in REGIONS ? region : nearestRegion(region)
  while (from !== undefined && REGIONS[from]!.prices[name] === undefined) from = REGIONS[from]!.next
  return from ?? 'us-east-1'
}

/** By the continent's prefix; AWS has no nearer notion that is public. */
function nearestRegion(region: string): string {
  return /^(?:eu|il|me|af)-/.test(region) ? 'eu-central-1' : 'us-east-1'
}
