import type { StatementResult } from './run-sql.ts'

/** Results as psql shows them: a table of each that has columns, and what became of the others. */
export function formatResults(results: readonly StatementResult[]): string {
  return results
    .map(result =>
      result.columns.length === 0
        ? [result.command, result.count].filter(part => part !== null).join(' ')
        : formatTable(result),
    )
    .join('\n')
}

function formatTable({ columns, rows, count, hidden }: StatementResult): string {
  const table = rows.map(row => row.map(value => (value ?? '').split('\n')))
  const widths = columns.map((name, index) =>
    Math.max(name.length, ...table.flatMap(row => (row[index] ?? []).map(line => line.length))),
  )
  const format = (cells: readonly string[]) =>
    cells
      .map((cell, index) => ` ${cell.padEnd(widths[index] ?? 0)} `)
      .join('|')
      .trimEnd()
  const lines = table.flatMap(row => {
    const height = Math.max(1, ...row.map(cell => cell.length))
    return Array.from({ length: height }, (_, line) => format(row.map(cell => cell[line] ?? '')))
  })
  const number = count ?? rows.length
  const more = hidden === 0 ? '' : `, ${hidden} of them not shown`
  return [
    format(columns),
    widths.map(width => '-'.repeat(width + 2)).join('+'),
    ...lines,
    `(${number} ${number === 1 ? 'row' : 'rows'}${more})`,
  ].join('\n')
}
