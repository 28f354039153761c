import { type Challenge, HTTP_CHALLENGE_PREFIX } from './challenges.ts'

/** What an edge worker answers HTTP-01 challenges from. */
export interface HttpChallenges {
  /** From now on these are published and no others; challenges of other types are passed over. */
  set(challenges: readonly Challenge[]): void
  /**
   * The body of a 200 with content type application/octet-stream, or undefined: not a challenge
   * of ours. `path` is the request's, without query. To be asked before any redirect to HTTPS.
   */
  answer(path: string): string | undefined
}

export function createHttpChallenges(): HttpChallenges {
  let bodies = new Map<string, string>()
  return {
    set(challenges) {
      bodies = new Map(
        challenges.flatMap(one => (one.type === 'http-01' ? [[one.path, one.body] as const] : [])),
      )
    },
    // The prefix spares all other requests the look-up. Tokens are the authority's random, so the
    // host need not be compared.
    answer: path => (path.startsWith(HTTP_CHALLENGE_PREFIX) ? bodies.get(path) : undefined),
  }
}
