import { parseWeightedList } from './field-lists.ts'

/**
 * The content coding to send, among those that exist, listed with the best first. `identity` is
 * always the last resort: where a viewer refuses even that, RFC 9110 §12.5.3 lets us send it.
 * Equal weights: the order of `available` decides.
 */
export function selectCoding<Coding extends string>(
  acceptEncoding: string | undefined,
  available: readonly Coding[],
): Coding | 'identity' {
  if (acceptEncoding === undefined || available.length === 0) return 'identity'
  const weights = new Map<string, number>()
  // x-gzip is gzip (RFC 9110 §8.4.1.3).
  for (const { value, weight } of parseWeightedList(acceptEncoding)) {
    weights.set(value === 'x-gzip' ? 'gzip' : value, weight)
  }
  const anyWeight = weights.get('*') ?? 0
  let best: Coding | 'identity' = 'identity'
  // Without being named, identity is acceptable, yet any coding asked for is preferred to it.
  let bestWeight = weights.get('identity') ?? 0
  for (const coding of available) {
    const weight = weights.get(coding) ?? anyWeight
    const isPreferred = best === 'identity' ? weight >= bestWeight : weight > bestWeight
    if (weight > 0 && isPreferred) {
      best = coding
      bestWeight = weight
    }
  }
  return best
}
