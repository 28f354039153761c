import type { PushDelivery } from './delivery.ts'

export type CommitState = 'pending' | 'success' | 'failure'

export interface CommitStatus {
  state: CommitState
  /** Shown beside the commit, up to 140 characters. */
  description: string
  /** Where the site is. */
  url?: string
}

export interface StatusRequest {
  url: string
  headers: Record<string, string>
  body: string
}

/** What ours are told apart by from those of others. */
const CONTEXT = 'mokapot'
const MAX_DESCRIPTION_CHARS = 140 // GitHub's limit
const TIMEOUT_MS = 15_000

/**
 * The request that sets a commit's status, at the forge where the repository is: GitHub
 * (docs.github.com/rest/commits/statuses), Gitea (which has GitHub's), GitLab
 * (docs.gitlab.com/api/commits, "Set the pipeline status of a commit").
 */
export function statusRequest(
  { forge, repository, commit }: Pick<PushDelivery, 'forge' | 'repository' | 'commit'>,
  status: CommitStatus,
  at: { repositoryUrl: string; token: string },
): StatusRequest {
  const { origin, hostname } = new URL(at.repositoryUrl)
  const description = status.description.slice(0, MAX_DESCRIPTION_CHARS)
  const target = status.url === undefined ? {} : { target_url: status.url }
  const json = { 'content-type': 'application/json', 'user-agent': 'mokapot' }
  if (forge === 'gitlab') {
    const state = { pending: 'running', success: 'success', failure: 'failed' }[status.state]
    return {
      url: `${origin}/api/v4/projects/${encodeURIComponent(repository)}/statuses/${commit}`,
      headers: { ...json, 'private-token': at.token },
      body: JSON.stringify({ state, name: CONTEXT, description, ...target }),
    }
  }
  const api =
    forge === 'gitea'
      ? `${origin}/api/v1`
      : hostname === 'github.com'
        ? 'https://api.github.com'
        : `${origin}/api/v3` // GitHub Enterprise Server
  const path = repository.split('/').map(encodeURIComponent).join('/')
  return {
    url: `${api}/repos/${path}/statuses/${commit}`,
    headers: {
      ...json,
      authorization: forge === 'gitea' ? `token ${at.token}` : `Bearer ${at.token}`,
      accept: forge === 'gitea' ? 'application/json' : 'application/vnd.github+json',
    },
    body: JSON.stringify({ state: status.state, context: CONTEXT, description, ...target }),
  }
}

/** Rejects where the forge does not take it. */
export async function sendStatus(request: StatusRequest): Promise<void> {
  const { url, headers, body } = request
  const response = await fetch(url, {
    method: 'POST',
    headers,
    body,
    redirect: 'error', // the token is for this place alone
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  await response.body?.cancel()
  if (!response.ok) throw new Error(`POST ${url} was answered with ${response.status}`)
}
