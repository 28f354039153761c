import { setTimeout as wait } from 'node:timers/promises'
import { STATEMENT_PATH } from '../../../../../edge/site/release-statement.ts'
import { MokaError } from '../../../../../shared/errors.ts'

/** A point of presence that has the new release does not speak for those beside it. */
const ANSWERS_NEEDED = 3
const ASKED_EVERY_MS = 500
/** A KeyValueStore's update reaches every point of presence within seconds. */
const PATIENCE_MS = 120_000
const TIMEOUT_MS = 10_000

export interface SiteQuestion {
  /** Such as `https://d111111abcdef8.cloudfront.net`. */
  address: string
  release: string
  manifestSha256: string
}

/** Resolves when the site serves a release, asked from outside. */
export type AskSite = (question: SiteQuestion) => Promise<void>

/**
 * Asks the site which release it serves until it is the one, several times at once. Throws
 * `AWS_NOT_CONFIRMED` when that takes longer than two minutes.
 */
export const askSite: AskSite = question => askUntil(question, PATIENCE_MS)

export async function askUntil(
  { address, release, manifestSha256 }: SiteQuestion,
  patienceMs: number,
): Promise<void> {
  const endMs = performance.now() + patienceMs
  let said: string
  for (;;) {
    const answers = Array.from({ length: ANSWERS_NEEDED }, () => ask(address, manifestSha256))
    said = (await Promise.all(answers)).find(each => each !== '') ?? ''
    if (said === '') return
    if (performance.now() > endMs) break
    await wait(ASKED_EVERY_MS)
  }
  throw new MokaError(
    'AWS_NOT_CONFIRMED',
    `cannot confirm release "${release}": ${address} ${said}`,
    {
      hint: `what was live before is live again; does this machine reach ${address}${STATEMENT_PATH}?`,
    },
  )
}

/** What it says in place of that release; nothing when it is the one. */
async function ask(address: string, manifestSha256: string): Promise<string> {
  try {
    const response = await fetch(new URL(STATEMENT_PATH, address), {
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: 'manual',
    })
    const text = await response.text()
    if (response.status !== 200) return `answers with ${response.status}`
    const statement = JSON.parse(text) as { release?: string; manifestSha256?: string }
    return statement.manifestSha256 === manifestSha256
      ? ''
      : `still answers with release "${statement.release}"`
  } catch (error) {
    const { cause, message } = error as Error
    return `does not answer: ${cause instanceof Error ? cause.message : message}`
  }
}
