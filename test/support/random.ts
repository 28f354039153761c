/** A source of numbers that a seed repeats (mulberry32, public domain). */
export interface Random {
  readonly seed: number
  /** A whole number from 0 to below `end`. */
  below(end: number): number
  pick<T>(items: readonly T[]): T
  /** A copy in another order. */
  shuffled<T>(items: readonly T[]): T[]
}

/** `variable` names the environment variable that makes other choices than every run does. */
export function createRandom(variable: string): Random {
  const seed = Number(process.env[variable] ?? 1)
  let state = seed
  const below = (end: number) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end)
  }
  const pick = <T>(items: readonly T[]) => items[below(items.length)]!
  return {
    seed,
    below,
    pick,
    shuffled<T>(items: readonly T[]) {
      const rest = [...items]
      return Array.from(items, () => rest.splice(below(rest.length), 1)[0]!)
    },
  }
}
