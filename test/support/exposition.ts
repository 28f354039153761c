/** Metrics as a scraper reads them. */
export interface Exposition {
  /** The one sample of that name which has these labels, among others; undefined without any. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined
}

interface Sample {
  name: string
  labels: Record<string, string>
  value: number
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const SAMPLE = /^([^{ ]+)(?:\{(.*)\})? (\S+)$/
const PAIR = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\[\\"n])*)"(?:,|$)/
const SUFFIXES: Readonly<Record<string, string[]>> = {
  counter: [''],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count'],
}

/**
 * A strict reader of Prometheus' text format 0.0.4: each family has its HELP and TYPE before its
 * samples and comes once, counters end with `_total`, no sample comes twice, and the buckets of
 * a histogram add up. Throws for anything else.
 */
export function parseExposition(text: string): Exposition {
  const samples: Sample[] = []
  const families = new Map<string, string>()
  const seen = new Set<string>()
  let family = ''
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  for (const line of text.slice(0, -1).split('\n')) {
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? []
    if (kind === 'HELP') {
      if (families.has(name) || !NAME.test(name)) throw new Error(`family twice: ${line}`)
      family = name
      families.set(name, '')
    } else if (kind === 'TYPE') {
      if (name !== family || !(rest in SUFFIXES)) throw new Error(`type: ${line}`)
      if ((rest === 'counter') !== name.endsWith('_total')) throw new Error(`name: ${line}`)
      families.set(name, rest)
    } else {
      const sample = parseSample(line)
      const suffixes = SUFFIXES[families.get(family) ?? ''] ?? []
      if (!suffixes.some(suffix => sample.name === `${family}${suffix}`)) {
        throw new Error(`not of family ${family}: ${line}`)
      }
      const key = JSON.stringify([sample.name, Object.entries(sample.labels).sort()])
      if (seen.has(key)) throw new Error(`sample twice: ${line}`)
      seen.add(key)
      samples.push(sample)
    }
  }
  checkHistograms(samples)
  return {
    value(name, labels = {}) {
      const found = samples.filter(
        sample =>
          sample.name === name &&
          Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
      )
      if (found.length > 1) throw new Error(`${name} is ambiguous`)
      return found[0]?.value
    },
  }
}

function parseSample(line: string): Sample {
  const [, name = '', pairs = '', number = ''] = SAMPLE.exec(line) ?? []
  const value = number === '+Inf' ? Number.POSITIVE_INFINITY : Number(number)
  if (!NAME.test(name) || Number.isNaN(value)) throw new Error(`no sample: ${line}`)
  const labels: Record<string, string> = {}
  for (let rest = pairs; rest !== ''; ) {
    const [whole, label, text] = PAIR.exec(rest) ?? []
    if (whole === undefined || label === undefined || label in labels) {
      throw new Error(`labels: ${line}`)
    }
    labels[label] = text!.replace(/\\(.)/g, (_, char) => (char === 'n' ? '\n' : char))
    rest = rest.slice(whole.length)
  }
  return { name, labels, value }
}

function checkHistograms(samples: readonly Sample[]): void {
  const last = new Map<string, { bound: number; count: number }>()
  for (const { name, labels, value } of samples) {
    if (!name.endsWith('_bucket')) continue
    const { le = '', ...others } = labels
    const key = JSON.stringify([name, others])
    const before = last.get(key) ?? { bound: Number.NEGATIVE_INFINITY, count: 0 }
    const bound = le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le)
    if (!(bound > before.bound) || value < before.count) throw new Error(`buckets of ${key}`)
    last.set(key, { bound, count: value })
  }
  for (const [key, { bound, count }] of last) {
    const [bucket, others] = JSON.parse(key) as [string, Record<string, string>]
    const name = bucket.replace(/_bucket$/, '_count')
    const total = samples.find(
      sample => sample.name === name && JSON.stringify(sample.labels) === JSON.stringify(others),
    )
    if (bound !== Number.POSITIVE_INFINITY || total?.value !== count) {
      throw new Error(`buckets of ${key} do not add up`)
    }
  }
}
