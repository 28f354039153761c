import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest'
import { resolveProject } from '../../config/project.ts'
import type { MokaConfig } from '../../config/schema.ts'
import { type CostReport, reportCost } from './cost-report.ts'
import { measureCalls } from './measured-calls.ts'
import type { Price } from './price.ts'
import { FREE_TIERS, GLOBAL_PRICES, pricesOf } from './prices-aws.ts'
import { HOME_SERVERS } from './prices-home.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'moka-cost-'))
  write('visits.py', 'def handler(event, context): ...')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function write(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), content)
}

function project(config: Partial<MokaConfig> = {}) {
  const { aws, ...rest } = config
  return resolveProject(
    {
      name: 'site',
      site: { directory: 'dist', build: 'npm run build' },
      aws: { region: 'us-east-1', ...aws },
      ...rest,
    },
    root,
    'moka.config.ts',
  )
}

const FUNCTION = { visits: { entry: 'visits.py', memoryMb: 512 } }

function usd({ estimates: [one] }: CostReport, service: string, what: string): number {
  return one.lines.find(line => line.service === service && line.what.startsWith(what))!.usd
}

describe('the estimate', () => {
  it('of a zone, a database and a handful of visitors is the 14.48 USD that stand still', async () => {
    const config = { domain: 'example.org', database: true, functions: FUNCTION }
    const report = await reportCost(project(config), { visits: 100 })
    expect(usd(report, 'Route 53', 'zone')).toBe(0.5)
    expect(usd(report, 'RDS', 'PostgreSQL')).toBe(11.68) // 730 hours × 0.016
    expect(usd(report, 'RDS', '20 GB')).toBe(2.3) // 20 GB × 0.115
    expect(report.estimates[0].usd).toBe(14.48)
  })

  it('of files alone, without a domain, is nothing', async () => {
    const { estimates } = await reportCost(project(), { visits: 100 })
    expect(estimates[0].usd).toBe(0)
    expect(estimates[0].lines.map(({ service }) => service)).not.toContain('RDS')
  })

  it('adds up by hand for ten million visits of a site with a function', async () => {
    write('dist/index.html', '<link rel="stylesheet" href="/a.css"><img src="b.png">')
    write('dist/a.css', Buffer.alloc(500, ' '))
    write('dist/b.png', Buffer.alloc(99_446, 1))
    const report = await reportCost(project({ functions: FUNCTION }), { visits: 10_000_000 })
    // A page is 3 files and 54 + 500 + 99,446 octets, each file with a head of 500; an answer has 2,000.
    // 10^7 × (100,000 + 1,500 + 2,000) octets are 1,035 GB, and 1,000 are free.
    expect(usd(report, 'CloudFront', 'data')).toBe(2.98) // 35 × 0.085
    expect(usd(report, 'CloudFront', 'requests')).toBe(30) // 4 × 10^7, 10^7 of them free, at 0.01 for 10^4
    expect(usd(report, 'CloudFront', 'functions')).toBe(6.8) // 7 × 10^7 less 2 × 10^6 free, 0.10 a million
    expect(usd(report, 'CloudFront', 'KeyValueStore')).toBe(2.64) // 9 × 10^7 less 2 × 10^6, at 0.03
    expect(usd(report, 'S3', 'reads')).toBe(2.4) // a fifth of 3 × 10^7, at 0.0004 for 1,000
    expect(usd(report, 'API Gateway', 'requests')).toBe(10) // 10^7 at 1 for 10^6
    expect(usd(report, 'Lambda', 'calls')).toBe(1.8) // 9 × 10^6 at 0.2
    // 10^7 × 0.1 s × 0.5 GB are 500,000 GB-seconds, 400,000 of them free.
    expect(usd(report, 'Lambda', 'compute')).toBe(1.33)
    expect(usd(report, 'CloudWatch', 'logs written')).toBe(0.5) // 6 GB less 5
    expect(usd(report, 'CloudWatch', 'logs kept')).toBe(0.18) // 6 GB for a month at 0.03
    const [one, ten] = report.estimates
    expect(one.usd).toBeCloseTo(
      one.lines.reduce((sum, line) => sum + line.usd, 0),
      6,
    )
    expect(one.usdWithoutFree).toBeGreaterThan(one.usd + 85) // the free TB is worth 85 USD
    expect(ten.visits).toBe(100_000_000)
    expect(ten.lines[0]!.quantity).toBeCloseTo(10 * one.lines[0]!.quantity)
  })

  it('takes what a function costs at home for what it costs there', async () => {
    const measured = measureCalls([
      {
        function: 'visits',
        stream: 'platform',
        text: 'REPORT RequestId: a\tDuration: 900.00 ms\tx',
      },
      {
        function: 'visits',
        stream: 'platform',
        text: 'REPORT RequestId: b\tDuration: 1100.00 ms\t',
      },
      { function: 'visits', stream: 'stdout', text: 'REPORT RequestId: c\tDuration: 1.00 ms\t' },
    ])
    const report = await reportCost(project({ functions: FUNCTION }), { visits: 1e6, measured })
    expect(usd(report, 'Lambda', 'compute')).toBe(1.33) // 10^6 × 1 s × 0.5 GB less 400,000
    expect(report.assumptions.join()).toContain('visits 1000 ms, as at home')
  })

  it('has no HTTP API where functions have addresses of their own', async () => {
    const config = { functions: FUNCTION, aws: { functionUrls: ['visits'] } }
    const { estimates } = await reportCost(project(config), { visits: 1e7 })
    expect(estimates[0].lines.map(({ service }) => service)).not.toContain('API Gateway')
  })

  it('counts a database that sleeps by its work', async () => {
    const config = { database: true, functions: FUNCTION, aws: { database: 'dsql' as const } }
    const report = await reportCost(project(config), { visits: 1e7 })
    expect(usd(report, 'Aurora DSQL', 'work')).toBe(1.6) // 300,000 DPUs less 100,000, at 8 for 10^6
    expect(usd(report, 'Aurora DSQL', 'storage')).toBe(0)
  })

  it("counts DNSSEC's key and, in classic mode, what is invalidated", async () => {
    const aws = { dnssec: true, mode: 'classic' as const }
    const report = await reportCost(project({ domain: 'example.org', aws }), { visits: 1 })
    expect(usd(report, 'KMS', 'DNSSEC')).toBe(1)
    expect(usd(report, 'CloudFront', 'invalidated')).toBe(0)
    expect(report.estimates[0].lines.some(({ what }) => what.startsWith('KeyValueStore'))).toBe(
      false,
    )
  })

  it('says what pays first in a new account, and when that ends', async () => {
    const { assumptions } = await reportCost(project(), { visits: 1 })
    expect(assumptions.join()).toMatch(
      /since 15 July 2025 has 100 to 200 USD of credits.*six months/,
    )
  })

  it('does not count a database that stands elsewhere, and says so', async () => {
    const config = { database: { url: 'postgres://db.example/x' } }
    const report = await reportCost(project(config), { visits: 1 })
    expect(report.estimates[0].usd).toBe(0)
    expect(report.assumptions.join()).toContain('database.url is not counted')
  })
})

describe('a region', () => {
  it('has prices of its own', async () => {
    const config = { database: true, aws: { region: 'eu-central-1' } }
    const report = await reportCost(project(config), { visits: 1 })
    expect(usd(report, 'RDS', 'PostgreSQL')).toBe(13.87) // 730 × 0.019
    expect(usd(report, 'RDS', '20 GB')).toBe(2.74)
    expect(report.borrowedPrices['eu-west-1']).toContain('httpApiRequests')
  })

  it('has CloudFront’s requests at the price of its continent', async () => {
    const visits = 20_000_000
    write('dist/index.html', '<p>One file, so that a visit is one request.</p>')
    const [america, europe] = await Promise.all(
      ['us-east-1', 'eu-west-1'].map(region => reportCost(project(), { visits, region })),
    )
    expect(usd(america!, 'CloudFront', 'requests')).toBe(10) // 10^7 beyond what is free, at 0.01 for 10^4
    expect(usd(europe!, 'CloudFront', 'requests')).toBe(12) // at 0.012
  })

  it('that the table has not gets those of the nearest, which is told', async () => {
    const report = await reportCost(project({ database: true }), {
      visits: 1,
      region: 'eu-north-1',
    })
    expect(report.region).toBe('eu-north-1')
    expect(usd(report, 'RDS', 'PostgreSQL')).toBe(13.87)
    expect(report.borrowedPrices['eu-central-1']).toContain('rdsHour')
    expect(Object.keys(pricesOf('ap-south-1').borrowed)).toEqual(['us-east-1'])
    expect(pricesOf('us-east-1').borrowed).toEqual({})
  })

  it('that is none is refused', async () => {
    await expect(reportCost(project(), { visits: 1, region: 'Frankfurt' })).rejects.toThrow(
      'cannot tell the costs in "Frankfurt": that is no region',
    )
  })
})

describe('a page', () => {
  it('weighs what a browser loads with it, not what it leads to', async () => {
    write(
      'dist/index.html',
      `<link rel="stylesheet" href="style.css"><a href="film.mp4">film</a><a href="/other">other</a>
       <picture><source srcset="/s.avif"><img src="/s.png" srcset="/s.png 1x, /l.png 2x"></picture>
       <script type="module" src="/app.js"></script><img src="https://elsewhere.example/x.png">`,
    )
    write('dist/other.html', '')
    write('dist/style.css', "@font-face{src:url('/font.woff2')}")
    write('dist/app.js', "import { a } from './part.js'")
    write('dist/part.js', '')
    for (const name of ['font.woff2', 's.avif', 's.png']) write(`dist/${name}`, Buffer.alloc(100))
    write('dist/l.png', Buffer.alloc(2000))
    write('dist/film.mp4', Buffer.alloc(5_000_000))
    const { site } = await reportCost(project(), { visits: 1 })
    // index.html, style.css, font.woff2, l.png as the largest form of the image, app.js, part.js
    expect(site?.page?.heaviest).toMatchObject({ path: '/index.html', files: 6 })
    expect(site?.page?.heaviest.bytes).toBeLessThan(5000)
    expect(site?.page?.files).toBe(3.5) // other.html is alone
    expect(site?.largest).toEqual({ path: '/film.mp4', bytes: 5_000_000 })
  })

  it('is weighed as it travels, compressed', async () => {
    write('dist/index.html', 'a page of many words '.repeat(5000))
    const { site } = await reportCost(project(), { visits: 1 })
    expect(site?.page?.bytes).toBeLessThan(1000)
    expect(site?.bytes).toBe(105_000)
  })

  it('that is not built is assumed, and that is said', async () => {
    const report = await reportCost(project(), { visits: 1 })
    expect(report.site).toBeUndefined()
    expect(report.assumptions[0]).toContain('the site is not built yet')
  })
})

describe('what can grow', () => {
  const growth = async (config: Partial<MokaConfig>, what: string) =>
    (await reportCost(project(config), { visits: 1 })).growth.find(one => one.what.includes(what))

  it('is what a file that became known costs, with the downloads that are free', async () => {
    write('dist/song.mp3', Buffer.alloc(4_000_000))
    const found = await growth({}, 'data to visitors')
    expect(found?.isBounded).toBe(false)
    expect(found?.grows).toContain('85.00 USD for each TB')
    expect(found?.grows).toContain(
      '"/song.mp3" alone, 4.0 MB, is past that after 250,000 downloads',
    )
    expect(found?.stops).toContain('signedBy')
    expect(found?.stops).toMatch(
      /^a flat-rate plan of CloudFront, .* bills nothing beyond its price/,
    )
    write('dist/song.mp3', Buffer.alloc(4000))
    expect((await growth({}, 'data to visitors'))?.grows).not.toContain('song.mp3')
  })

  it('is a function without a limit, with the setting that is one', async () => {
    const found = await growth({ functions: FUNCTION }, '"visits"')
    expect(found?.isBounded).toBe(false)
    // 0.5 GB × 10 at once × 2,628,000 s × 0.0000133334
    expect(found?.grows).toContain('175.20 USD of compute a month at the 10 at once')
    expect(found?.stops).toContain('functions.visits.rateLimit')
  })

  it.each([
    [{ rateLimit: '5/minute' }, 'some 438,000 calls let through'],
    [{ reservedConcurrency: 2 }, '2 at once, 35.04 USD'],
  ])('is bounded by %j', async (limit, expected) => {
    const found = await growth(
      { functions: { visits: { ...FUNCTION.visits, ...limit } } },
      'visits',
    )
    expect(found).toMatchObject({ isBounded: true, grows: expect.stringContaining(expected) })
  })

  it('is never a NAT gateway, and functions beside RDS are told what that means', async () => {
    expect(await growth({ database: true }, 'NAT')).toMatchObject({
      isBounded: true,
      stops: expect.stringContaining('over IPv6 alone'),
    })
  })

  it('is told by a budget, which stops nothing', async () => {
    const budget = { monthlyUsd: 20, email: 'me@example.org' }
    expect((await growth({}, 'budget'))?.stops).toContain('monthlyUsd')
    expect((await growth({ aws: { budget } }, 'budget'))?.grows).toContain('it stops nothing')
  })

  it('is what nothing stops first', async () => {
    const { growth: all } = await reportCost(project({ functions: FUNCTION }), { visits: 1 })
    const order = all.map(({ isBounded }) => isBounded)
    expect(order).toEqual(order.toSorted((a, b) => Number(a) - Number(b)))
  })
})

test('every price says where it stands, from when it is, and for how many units', () => {
  const prices: Price[] = [
    ...Object.values(GLOBAL_PRICES),
    ...['us-east-1', 'eu-central-1', 'eu-west-1'].flatMap(region =>
      Object.values(pricesOf(region).prices),
    ),
  ]
  for (const { usd: amount, per, unit, source } of prices) {
    expect(amount).toBeGreaterThan(0)
    expect(per).toBeGreaterThanOrEqual(1)
    expect(unit).not.toBe('')
    expect(source.page).toMatch(/^https:\/\//)
    expect(source.readFrom).not.toBe('')
    expect(source.asOf).toMatch(/^(?:20\d\d|undated)/)
  }
  for (const { quantity, source } of Object.values(FREE_TIERS)) {
    expect(quantity).toBeGreaterThan(0)
    expect(source.page).toMatch(/^https:\/\//)
  }
  for (const server of HOME_SERVERS) expect(server.page).toMatch(/^https:\/\//)
})
