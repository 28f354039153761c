/** Where a price stands, and where and when it was read. */
export interface PriceSource {
  /** Whose price it is, says so here: the place to look it up again. */
  page: string
  /** What was read: the page itself, or a copy or a bill that shows the same. */
  readFrom: string
  /** Day, month or year that the figure is of, as what was read says it. */
  asOf: string
}

/** US dollars without tax. */
export interface Price {
  usd: number
  /** How many units that is for. */
  per: number
  unit: string
  source: PriceSource
}

/** Units that cost nothing each month, in every account and for ever. */
export interface FreeTier {
  quantity: number
  unit: string
  source: PriceSource
}

/** Rounded to cents, as lines of a bill are. */
export const inCents = (usd: number) => Math.round(usd * 100) / 100
