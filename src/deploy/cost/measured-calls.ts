import type { MeasuredCalls } from './usage.ts'

/** What Lambda writes of a call, and the home cloud, too. */
const REPORT = /^REPORT RequestId: \S+\tDuration: ([\d.]+) ms\t/

/** An entry of a function's log, as the home cloud keeps it. */
export interface LoggedLine {
  function: string
  stream: string
  text: string
}

/** Mean duration of the calls that a log tells of, by function, in milliseconds. */
export function measureCalls(entries: readonly LoggedLine[]): MeasuredCalls {
  const sums = new Map<string, { ms: number; calls: number }>()
  for (const { function: name, stream, text } of entries) {
    const ms = stream === 'platform' ? REPORT.exec(text)?.[1] : undefined
    if (ms === undefined) continue
    const { ms: before, calls } = sums.get(name) ?? { ms: 0, calls: 0 }
    sums.set(name, { ms: before + Number(ms), calls: calls + 1 })
  }
  return new Map(Array.from(sums, ([name, { ms, calls }]) => [name, ms / calls]))
}
