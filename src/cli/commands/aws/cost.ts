import { loadProject } from '../../../config/load.ts'
import { type CostReport, reportCost } from '../../../deploy/cost/cost-report.ts'
import type { CostLine } from '../../../deploy/cost/estimate.ts'
import { measureCalls } from '../../../deploy/cost/measured-calls.ts'
import type { MeasuredCalls } from '../../../deploy/cost/usage.ts'
import { findCloud } from '../../find-cloud.ts'
import { createReporter, type Reporter, textColumns, wrapText } from '../../reporter.ts'

const LOGGED_CALLS = 2000
/** Together with the service and the spaces between them, what a terminal is wide. */
const WHAT_WIDTH = 34
const USD_WIDTH = 15
const LINE_WIDTH = 79

/** `moka cost`: what the project would cost on AWS in a month, before anything is made there. */
export async function cost(options: {
  json?: boolean
  visits: number
  region?: string
}): Promise<void> {
  const reporter = createReporter(options.json === true)
  const project = await loadProject(process.cwd())
  const report = await reportCost(project, {
    visits: options.visits,
    ...(options.region !== undefined && { region: options.region }),
    measured: await measureAtHome(project.name),
  })
  if (!reporter.isJson) print(report, reporter)
  const [, tenfold] = report.estimates
  reporter.result(
    report,
    `${dollars(report.estimates[0].usd)} USD a month for ${count(options.visits)} visits, ${dollars(tenfold.usd)} for ${count(tenfold.visits)}; prices read on ${report.pricesReadOn}, --json has each with its page`,
  )
}

/** How long functions take where the project runs already; a home cloud that does not answer tells nothing. */
async function measureAtHome(project: string): Promise<MeasuredCalls> {
  try {
    const cloud = await findCloud({ ...fromEnvironment(), project })
    try {
      return measureCalls(await cloud.api.logs(project, undefined, LOGGED_CALLS))
    } finally {
      cloud.close()
    }
  } catch {
    return new Map()
  }
}

function fromEnvironment(): { cloud?: string } {
  const { MOKA_CLOUD } = process.env
  return MOKA_CLOUD === undefined ? {} : { cloud: MOKA_CLOUD }
}

function print(report: CostReport, reporter: Reporter): void {
  const [one, ten] = report.estimates
  const row = (service: string, what: string, a: string, b: string) =>
    `${service.padEnd(12)} ${what.padEnd(WHAT_WIDTH)} ${a.padStart(USD_WIDTH)} ${b.padStart(USD_WIDTH)}`
  const { line } = reporter
  line(
    reporter.bold(
      row(
        'USD a month',
        `${report.project} in ${report.region}`,
        `${count(one.visits)} visits`,
        `${count(ten.visits)} visits`,
      ),
    ),
  )
  let before = ''
  for (const [index, { service, what, usd }] of one.lines.entries()) {
    const name = service === before ? '' : service
    before = service
    line(row(name, what, dollars(usd), dollars(ten.lines[index]!.usd)))
  }
  line(reporter.bold(row('AWS', 'in all', dollars(one.usd), dollars(ten.usd))))
  line(
    reporter.dim(
      row(
        '',
        'without what is always free',
        dollars(one.usdWithoutFree),
        dollars(ten.usdWithoutFree),
      ),
    ),
  )
  line('')
  line(reporter.bold('The home cloud instead, with everything on one machine'))
  for (const { name, usdMonthly } of report.home) {
    line(row('', name, dollars(usdMonthly), dollars(usdMonthly)))
  }
  line('')
  line(reporter.bold('Free on AWS each month, always'))
  for (const [index, { service, free, quantity }] of one.lines.entries()) {
    if (free === undefined) continue
    const shares = [quantity, ten.lines[index]!.quantity].map(used => percent(used, free.quantity))
    line(row(service, `${count(free.quantity)} ${free.unit}`, shares[0]!, shares[1]!))
  }
  line('')
  line(reporter.bold('What can grow, and what stops it'))
  for (const { what, grows, stops, isBounded } of report.growth) {
    line(wrap(isBounded ? ' ' : '!', `${what}: ${grows}`))
    line(wrap(' ', `${isBounded ? 'stopped by' : 'to stop it'}: ${stops}`))
  }
  line('')
  line(reporter.bold('Taken as so'))
  for (const sentence of report.assumptions) line(wrap('-', sentence))
  for (const [region, names] of Object.entries(report.borrowedPrices)) {
    const own = `for want of ${report.region}'s own`
    line(wrap('-', `prices of ${region}, ${own}: ${names.map(inWords).join(', ')}`))
  }
}

/** A mark, and beside it a text of some lines. */
function wrap(mark: ' ' | '!' | '-', text: string): string {
  return `${mark} ${wrapText(text, Math.min(textColumns(), LINE_WIDTH) - 2).join('\n  ')}`
}

/** `httpApiRequests` → `http api requests`. */
function inWords(name: string): string {
  return name.replace(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`)
}

function percent(used: CostLine['quantity'], free: number): string {
  const share = (used / free) * 100
  return share > 0 && share < 1 ? '< 1 % used' : `${Math.round(share)} % used`
}

function dollars(usd: number): string {
  return usd.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
}

function count(number: number): string {
  return Math.round(number).toLocaleString('en-US')
}
