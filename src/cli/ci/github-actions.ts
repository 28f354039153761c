import { appendFile, readFile } from 'node:fs/promises'
import { formatError } from '../../shared/errors.ts'

// Inside a job of GitHub Actions a deploy tells what it did where people look for it: in the job's
// summary, in the outputs of its step, and, with GITHUB_TOKEN, as a comment of the pull request.

/** How a deploy ended, for people. */
export interface DeployReport {
  project: string
  /** What is live now, and where; absent where the deploy failed. */
  done?: { release: string; url: string; preview?: string; summary: string; changes: string[] }
  error?: unknown
}

type Environment = Readonly<Record<string, string | undefined>>

/** Finds our comment among others; nobody sees it. */
const MARK = '<!-- mokapot -->'
const MAX_CHANGES = 100
/** GitHub answers in well under a second; a deploy does not fail for its comment. */
const TIMEOUT_MS = 15_000
const PAGE = 100
const MAX_PAGES = 10

/** Does nothing outside of a job. Answers what could not be told, for the log. */
export async function reportToGithub(
  report: DeployReport,
  env: Environment = process.env,
): Promise<string | undefined> {
  if (env.GITHUB_ACTIONS !== 'true') return undefined
  try {
    if (env.GITHUB_STEP_SUMMARY) await appendFile(env.GITHUB_STEP_SUMMARY, describe(report))
    const { done } = report
    if (done === undefined) return undefined
    if (env.GITHUB_OUTPUT) {
      await appendFile(env.GITHUB_OUTPUT, `url=${done.url}\nrelease=${done.release}\n`)
    }
    if (done.preview !== undefined) await comment(report, env)
    return undefined
  } catch (error) {
    return `GitHub was not told: ${formatError(error)}`
  }
}

function describe({ project, done, error }: DeployReport): string {
  if (done === undefined) {
    const why = fence(formatError(error))
    return `### ${project}: the deploy failed\n\n${why}\n\nWhat was live stays live.\n`
  }
  const { release, url, preview, summary, changes } = done
  const what = preview === undefined ? `${release} is live` : `preview ${preview} is ready`
  const more = changes.length - MAX_CHANGES
  const list = changes.slice(0, MAX_CHANGES).join('\n') + (more > 0 ? `\n… and ${more} more` : '')
  const details =
    changes.length === 0
      ? ''
      : `\n<details><summary>${summary}</summary>\n\n${fence(list)}\n\n</details>\n`
  return `### ${project}: ${what}\n\n${url}\n${details}`
}

/** A longer fence than any in the text. */
function fence(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length))
  const ticks = '`'.repeat(longest + 1)
  return `${ticks}\n${text}\n${ticks}`
}

/** One comment for each pull request, which the next deploy writes anew. */
async function comment(report: DeployReport, env: Environment): Promise<void> {
  const { GITHUB_TOKEN, GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_EVENT_PATH } = env
  if (!GITHUB_TOKEN || !GITHUB_API_URL || !GITHUB_REPOSITORY || !GITHUB_EVENT_PATH) return
  const event = JSON.parse(await readFile(GITHUB_EVENT_PATH, 'utf8')) as {
    pull_request?: { number?: unknown }
  }
  const number = event.pull_request?.number
  if (!Number.isInteger(number)) return
  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const response = await fetch(`${GITHUB_API_URL}/repos/${GITHUB_REPOSITORY}${path}`, {
      method,
      headers: {
        accept: 'application/vnd.github+json',
        authorization: `Bearer ${GITHUB_TOKEN}`,
        'x-github-api-version': '2022-11-28',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    if (!response.ok) {
      const hint = response.status === 403 ? '; the job needs `pull-requests: write`' : ''
      throw new Error(`${method} ${path} was answered with ${response.status}${hint}`)
    }
    return response.json()
  }
  const comments = `/issues/${number}/comments`
  const body = `${MARK}\n${describe(report)}`
  const own = await findComment(page => call('GET', `${comments}?per_page=${PAGE}&page=${page}`))
  if (own === undefined) await call('POST', comments, { body })
  else await call('PATCH', `/issues/comments/${own}`, { body })
}

async function findComment(read: (page: number) => Promise<unknown>): Promise<number | undefined> {
  for (let page = 1; page <= MAX_PAGES; page++) {
    const comments = (await read(page)) as { id: number; body?: string }[]
    const own = comments.find(({ body }) => body?.startsWith(MARK))
    if (own !== undefined) return own.id
    if (comments.length < PAGE) return undefined
  }
  return undefined
}
