import { setTimeout as wait } from 'node:timers/promises'
import { systemErrorCode } from '../../../../shared/errors.ts'
import { isAwsFailure } from '../sdk/errors.ts'

/** Settings of a client that reads `~/.aws` anew, where the SDK keeps in mind what it read once. */
export const FRESH = { ignoreCache: true }

interface Client {
  readonly config: { maxAttempts(): Promise<number> }
  destroy(): void
}

/** Tries of a call that the SDK gave up before its time, each after twice as long. */
const MAX_TRIES = 5
const FIRST_WAIT_MS = 200
const LOST = ['ECONNRESET', 'EPIPE']

/**
 * A client of AWS that is made anew when its credentials have expired, so that those which were
 * fetched since (by `aws sso login`, or in the files of `~/.aws`) are found. A call that met the old
 * ones is made once more; what it says then is the answer.
 *
 * It is made anew, too, when it may retry no more: the SDK gives a client some 35 retries at once, and
 * a network that changes ends as many connections as an upload has.
 */
export class Renewed<Made extends Client> {
  readonly #create: () => Made
  #client: Made

  constructor(create: () => Made) {
    this.#create = create
    this.#client = create()
  }

  async run<T>(call: (client: Made) => Promise<T>): Promise<T> {
    let isRenewed = false
    for (let tries = 1; ; tries++) {
      const asked = this.#client
      try {
        return await call(asked)
      } catch (error) {
        if (!isRenewed && isAwsFailure(error, 'AWS_CREDENTIALS_EXPIRED')) {
          isRenewed = true
        } else if (tries < MAX_TRIES && (await isGivenUp(error, asked))) {
          await wait(FIRST_WAIT_MS * 2 ** (tries - 1) * (0.5 + Math.random()))
        } else {
          throw error
        }
        // Of many calls at once, the first one renews it for all.
        if (this.#client === asked) this.#client = this.#create()
      }
    }
  }

  close(): void {
    this.#client.destroy()
  }
}

/** Whether more attempts would have been made of this call alone. */
async function isGivenUp(error: unknown, client: Client): Promise<boolean> {
  const isPassing =
    LOST.includes(systemErrorCode(error) ?? '') || isAwsFailure(error, 'AWS_THROTTLED')
  if (!isPassing) return false
  const { attempts } = (error as { $metadata?: { attempts?: number } } | undefined)?.$metadata ?? {}
  return attempts !== undefined && attempts < (await client.config.maxAttempts())
}
