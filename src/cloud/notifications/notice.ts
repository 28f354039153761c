/** What has happened to a project. */
export interface Notice {
  action: 'deploy' | 'rollback' | 'test'
  status: 'live' | 'failed'
  project: string
  /** Of the release that is live now. */
  release?: string
  url: string
  /** What a deploy changes, as its plan says. */
  summary?: string
  error?: string
  durationMs: number
  commit?: string
  branch?: string
}

/** Discord refuses longer texts. */
const MAX_TEXT_CHARS = 1900

/**
 * The body of a notification: `text` is what Slack and Mattermost show, `content` what Discord does,
 * and the rest is for programs.
 */
export function formatNotice(notice: Notice, id: string, timeMs: number): string {
  const { action, status, project, release, url, summary, error, durationMs, commit } = notice
  const text = describe(notice)
  return JSON.stringify({
    ...{ text, content: text, id, time: new Date(timeMs).toISOString() },
    ...{ action, status, project, release: release ?? null, url, summary: summary ?? null },
    ...{ error: error ?? null, durationMs, commit: commit ?? null, branch: notice.branch ?? null },
    allowed_mentions: { parse: [] }, // nobody is called by what a file or a branch is named (Discord)
  })
}

function describe(notice: Notice): string {
  const lines = [headline(notice), notice.status === 'failed' ? notice.error : notice.summary]
  const text = lines.filter(line => line !== undefined && line !== '').join('\n')
  const plain = withoutMarkup(text)
  return plain.length <= MAX_TEXT_CHARS ? plain : `${plain.slice(0, MAX_TEXT_CHARS)} …`
}

function headline(notice: Notice): string {
  const { action, status, project, release, url, durationMs, commit, branch } = notice
  if (action === 'test') return `${project}: a test; notifications of deploys arrive here`
  const of = [branch, commit?.slice(0, 7)].filter(part => part !== undefined).join(' at ')
  const source = of === '' ? '' : ` (${of})`
  if (status === 'live') {
    const what = action === 'deploy' ? 'is live on' : 'is live again on'
    return `${project}: ${release} ${what} ${url} after ${(durationMs / 1000).toFixed(1)} s${source}`
  }
  const stays = release === undefined ? 'nothing is live' : `${release} stays live`
  return `${project}: ${action} failed${source}; ${stays}`
}

/** `<!channel>` would call everybody (Slack), and so would `@everyone`. */
function withoutMarkup(text: string): string {
  return text
    .replaceAll('<', '‹')
    .replaceAll('>', '›')
    .replace(/@(?=everyone|here|channel|all)/g, '@\u200b')
}
