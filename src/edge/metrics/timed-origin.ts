import { type Origin, OriginError } from '../origins/origin.ts'

/** Tells how long each answer of an origin took to begin, and whether there was one. */
export function timedOrigin(
  origin: Origin,
  onFetched: (durationMs: number, isFailed: boolean) => void,
): Origin {
  return {
    async fetch(request) {
      const begunMs = performance.now()
      let isFailed = false
      try {
        return await origin.fetch(request)
      } catch (error) {
        // Whoever asked went away: no fault of the origin's.
        isFailed = !(error instanceof OriginError && error.failure === 'aborted')
        throw error
      } finally {
        onFetched(performance.now() - begunMs, isFailed)
      }
    },
    close: () => origin.close(),
  }
}
