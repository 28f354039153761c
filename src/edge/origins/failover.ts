import { type Origin, OriginError, type OriginRequest } from './origin.ts'

export interface FailoverOptions {
  primary: Origin
  secondary: Origin
  /** Answers of the first that count as failures. Default 500, 502, 503, 504. */
  statuses?: readonly number[]
}

/** Methods that are asked again elsewhere: as at CloudFront, those that change nothing. */
const ASKED_AGAIN: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Two origins as one: what the first cannot answer, the second is asked. */
export function createFailoverOrigin(options: FailoverOptions): Origin {
  const { primary, secondary } = options
  const statuses = new Set(options.statuses ?? [500, 502, 503, 504])
  const mayAskAgain = ({ method, body }: OriginRequest) =>
    ASKED_AGAIN.has(method) && body === undefined
  return {
    async fetch(request) {
      try {
        const response = await primary.fetch(request)
        if (!statuses.has(response.status) || !mayAskAgain(request)) return response
        response.body.on('error', () => {}).resume()
      } catch (error) {
        const isOver = error instanceof OriginError && error.failure === 'aborted'
        if (isOver || !mayAskAgain(request)) throw error
      }
      return secondary.fetch(request)
    },
    async close() {
      await Promise.all([primary.close(), secondary.close()])
    },
  }
}
