export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]
}

export const median = values => quantile(values, 0.5)
export const maximum = values => Math.max(...values)

const digits = value => (value >= 100 ? 0 : value >= 10 ? 1 : 2)
export const show = value => value.toFixed(digits(value))

/**
 * A table in Markdown. A row is `{ what, values, unit, target? }`: several values become best,
 * median, p95 and maximum. The median is judged; a
 * maximum over the target is pointed out.
 */
export function table(rows) {
  const lines = [
    '| figure | best | median | p95 | max | runs | target | of target |',
    '| ------ | ---: | -----: | --: | --: | ---: | -----: | --------: |',
  ]
  for (const { what, values, unit, target } of rows) {
    const figures = { median: median(values), p95: quantile(values, 0.95), max: maximum(values) }
    const isOne = values.length === 1
    const best = isOne ? '' : show(Math.min(...values))
    const spread = isOne ? ['', ''] : [figures.p95, figures.max].map(show)
    const verdict =
      target === undefined
        ? ['', '']
        : [`< ${target} ${unit}`, `${Math.round((100 * figures.median) / target)} %`]
    if (figures.median >= target) verdict[1] += ' **missed**'
    else if (figures.max >= target) verdict[1] += ', max over it'
    lines.push(
      `| ${[what, best, `${show(figures.median)} ${unit}`, ...spread, values.length, ...verdict].join(' | ')} |`,
    )
  }
  return lines.join('\n')
}
