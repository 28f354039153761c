/** What a machine for the home cloud costs a month, whatever its visitors do. */
export interface HomeServer {
  name: string
  usdMonthly: number
  /** As the provider says it, with what is in it. */
  note: string
  page: string
  readFrom: string
  asOf: string
}

/** Assumed, to compare: a bank's rate of the day is another. */
export const USD_PER_EUR = 1.15

/** Assumed: watts of a small computer with its disk, the whole month; and a household's price. */
export const HOME_WATTS = 10
export const USD_PER_KWH = 0.3
const HOURS = 730

/** Read on 2026-11-23. Examples of their kind and no recommendation. */
export const HOME_SERVERS: readonly HomeServer[] = [
  {
    name: 'a small computer at home',
    usdMonthly: (HOME_WATTS / 1000) * HOURS * USD_PER_KWH,
    note: `${HOME_WATTS} W at ${USD_PER_KWH.toFixed(2)} USD/kWh, both assumed; a Raspberry Pi 4 takes 2.7 to 6.4 W`,
    page: 'https://www.pidramble.com/wiki/benchmarks/power-consumption',
    readFrom: 'https://github.com/RagingTiger/rpi_power_usage',
    asOf: '2021',
  },
  {
    name: 'Vultr or Linode, 1 GB',
    usdMonthly: 5,
    note: '1 vCPU, 25 GB, 1 TB of traffic',
    page: 'https://www.linode.com/pricing/',
    readFrom:
      'https://dev.to/johalputt/benchmark-digitalocean-vs-linode-2026-vs-vultr-20-for-1gb-ram-droplet-performance-3c9e',
    asOf: '2026-03',
  },
  {
    name: 'DigitalOcean, 1 GB',
    usdMonthly: 6,
    note: '1 vCPU, 25 GB',
    page: 'https://www.digitalocean.com/pricing/droplets',
    readFrom: 'https://bestusavps.pages.dev/benchmarks/digitalocean',
    asOf: '2026',
  },
  {
    name: 'Hetzner CX23, 4 GB',
    usdMonthly: 5.49 * USD_PER_EUR,
    note: `5.49 EUR without tax, 2 vCPU, 40 GB, 20 TB of traffic; 1 EUR taken as ${USD_PER_EUR} USD`,
    page: 'https://docs.hetzner.com/general/infrastructure-and-availability/price-adjustment/',
    readFrom: 'public notes that cite that page',
    asOf: '2026-06-15',
  },
]
