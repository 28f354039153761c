import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

// GitHub's REST API as far as we use it: comments of issues, and commit statuses
// (docs.github.com/rest/issues/comments, docs.github.com/rest/commits/statuses).

export interface FakeGithub {
  url: string
  comments: { id: number; issue: number; body: string }[]
  statuses: { repository: string; sha: string; state: string; [field: string]: string }[]
  /** Status of every answer instead; undefined again ends that. */
  answerWith: number | undefined
  close(): Promise<void>
}

/** Takes requests with the token, and refuses others as GitHub does. */
export async function openGithub(token: string): Promise<FakeGithub> {
  const fake: FakeGithub = {
    url: '',
    comments: [],
    statuses: [],
    answerWith: undefined,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const body = text === '' ? {} : JSON.parse(text)
    const answer = (status: number, value: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' })
      response.end(JSON.stringify(value))
    }
    const { pathname, searchParams } = new URL(request.url!, 'http://localhost')
    const given = request.headers.authorization
    if (given !== `Bearer ${token}` && given !== `token ${token}`) {
      return answer(401, { message: 'Bad credentials' })
    }
    if (fake.answerWith !== undefined) return answer(fake.answerWith, { message: 'no' })
    const [, issue] = /^\/repos\/[^/]+\/[^/]+\/issues\/(\d+)\/comments$/.exec(pathname) ?? []
    const [, id] = /^\/repos\/[^/]+\/[^/]+\/issues\/comments\/(\d+)$/.exec(pathname) ?? []
    const [, repository, sha] =
      /^\/repos\/([^/]+\/[^/]+)\/statuses\/([0-9a-f]{40})$/.exec(pathname) ?? []
    if (issue !== undefined && request.method === 'GET') {
      const perPage = Number(searchParams.get('per_page') ?? 30)
      const start = (Number(searchParams.get('page') ?? 1) - 1) * perPage
      const all = fake.comments.filter(comment => comment.issue === Number(issue))
      return answer(200, all.slice(start, start + perPage))
    }
    if (issue !== undefined && request.method === 'POST') {
      const comment = { id: 100 + fake.comments.length, issue: Number(issue), body: body.body }
      fake.comments.push(comment)
      return answer(201, comment)
    }
    const known = fake.comments.find(comment => comment.id === Number(id))
    if (known !== undefined && request.method === 'PATCH') {
      known.body = body.body
      return answer(200, known)
    }
    if (sha !== undefined && request.method === 'POST') {
      fake.statuses.push({ repository: repository!, sha, ...body })
      return answer(201, { state: body.state })
    }
    answer(404, { message: 'Not Found' })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  fake.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return fake
}
