export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]
}

export const median = values => quantile(values, 0.5)
export const maximum = values => Math.max(...values)

const digits = value => (value >= 100 ? 0 : value >= 10 ? 1 : 2)
export const show = value => value.toFixed(digits(value))

/**
 * A table in Markdown. A row is `{ what, values, unit, target? }`: several values become median,
 * p95 and maximum. The ratio is that of the median (or what `judged` names) to the target.
 */
export function table(rows) {
  const lines = [
    '| figure | median | p95 | max | runs | target | of target |',
    '| ------ | -----: | --: | --: | ---: | -----: | --------: |',
  ]
  for (const { what, values, unit, target, judged = 'median' } of rows) {
    const figures = { median: median(values), p95: quantile(values, 0.95), max: maximum(values) }
    const spread = values.length > 1 ? [figures.p95, figures.max].map(show) : ['', '']
    const verdict =
      target === undefined
        ? ['', '']
        : [`< ${target} ${unit}`, `${Math.round((100 * figures[judged]) / target)} %`]
    if (target !== undefined && figures[judged] >= target) verdict[1] += ' **missed**'
    lines.push(
      `| ${[what, `${show(figures.median)} ${unit}`, ...spread, values.length, ...verdict].join(' | ')} |`,
    )
  }
  return lines.join('\n')
}
