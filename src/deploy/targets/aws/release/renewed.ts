import { isAwsFailure } from '../sdk/errors.ts'

/** Settings of a client that reads `~/.aws` anew, where the SDK keeps in mind what it read once. */
export const FRESH = { ignoreCache: true }

interface Closable {
  destroy(): void
}

/**
 * A client of AWS that is made anew when its credentials have expired, so that those which were
 * fetched since (by `aws sso login`, or in the files of `~/.aws`) are found. A call that met the old
 * ones is made once more; what it says then is the answer.
 */
export class Renewed<Client extends Closable> {
  readonly #create: () => Client
  #client: Client

  constructor(create: () => Client) {
    this.#create = create
    this.#client = create()
  }

  async run<T>(call: (client: Client) => Promise<T>): Promise<T> {
    const asked = this.#client
    try {
      return await call(asked)
    } catch (error) {
      if (!isAwsFailure(error, 'AWS_CREDENTIALS_EXPIRED')) throw error
      // Of many calls at once, the first one renews it for all.
      if (this.#client === asked) this.#client = this.#create()
      return call(this.#client)
    }
  }

  close(): void {
    this.#client.destroy()
  }
}
