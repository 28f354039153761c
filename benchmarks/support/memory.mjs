import { readFileSync } from 'node:fs'

/** Proportional set size of a process: pages that several share count in part. */
export function pssBytes(pid) {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  return Number(/^Pss:\s+(\d+) kB$/m.exec(text)[1]) * 1024
}

/** The same once it has stopped changing, which a garbage collector takes a while for. */
export async function settledPssBytes(pid) {
  let before = pssBytes(pid)
  for (let tries = 0; tries < 40; tries++) {
    await new Promise(resolve => setTimeout(resolve, 250))
    const now = pssBytes(pid)
    if (Math.abs(now - before) < 64 * 1024) return now
    before = now
  }
  return before
}
