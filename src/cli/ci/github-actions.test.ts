import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type FakeGithub, openGithub } from '../../../test/support/github.ts'
import { MokaError } from '../../shared/errors.ts'
import { type DeployReport, reportToGithub } from './github-actions.ts'

let folder: string
let github: FakeGithub
let env: Record<string, string>

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'moka-github-'))
  github = await openGithub('t0ken')
  await writeFile(join(folder, 'event'), JSON.stringify({ pull_request: { number: 7 } }))
  env = {
    GITHUB_ACTIONS: 'true',
    GITHUB_STEP_SUMMARY: join(folder, 'summary'),
    GITHUB_OUTPUT: join(folder, 'output'),
    GITHUB_EVENT_PATH: join(folder, 'event'),
    GITHUB_REPOSITORY: 'lena/portfolio',
    GITHUB_API_URL: github.url,
    GITHUB_TOKEN: 't0ken',
  }
})
afterEach(async () => {
  await github.close()
  await rm(folder, { recursive: true })
})

const report = (more: Partial<DeployReport['done']> = {}): DeployReport => ({
  project: 'portfolio',
  done: {
    release: 'r-42',
    url: 'https://pr-7.preview.portfolio.example/',
    summary: '2 files: 1 added, 1 changed',
    changes: ['+ /new.html  new file', '~ /index.html  content differs'],
    ...more,
  },
})
const read = (name: string) => readFile(join(folder, name), 'utf8')

it('does nothing where there is no job', async () => {
  const { GITHUB_ACTIONS: _, ...outside } = env
  expect(await reportToGithub(report(), outside)).toBe(undefined)
  await expect(read('summary')).rejects.toThrow('ENOENT')
})

it('writes the summary and the outputs of the step', async () => {
  expect(await reportToGithub(report(), env)).toBe(undefined)
  expect(await read('summary')).toContain('### portfolio: r-42 is live')
  expect(await read('summary')).toContain('+ /new.html  new file')
  expect(await read('output')).toBe('url=https://pr-7.preview.portfolio.example/\nrelease=r-42\n')
  expect(github.comments).toEqual([]) // it is no preview
})

it('writes in the summary why a deploy failed, whatever the text holds', async () => {
  const error = new MokaError('X', 'cannot build\n```\nlog\n```', { hint: 'mend it' })
  await reportToGithub({ project: 'portfolio', error }, env)
  expect(await read('summary')).toBe(
    '### portfolio: the deploy failed\n\n````\ncannot build\n```\nlog\n```\ntry: mend it\n````\n\nWhat was live stays live.\n',
  )
})

it('lists no more changes than people read', async () => {
  const changes = Array.from({ length: 120 }, (_, index) => `+ /${index}`)
  await reportToGithub(report({ changes }), env)
  expect(await read('summary')).toContain('+ /99\n… and 20 more')
})

describe('a preview', () => {
  it('is told in one comment, which the next one writes anew', async () => {
    github.comments.push({ id: 1, issue: 7, body: 'looks good' })
    await reportToGithub(report({ preview: 'pr-7' }), env)
    expect(github.comments).toHaveLength(2)
    expect(github.comments[1]).toMatchObject({
      issue: 7,
      body: expect.stringContaining('preview pr-7 is ready\n\nhttps://pr-7.preview.'),
    })
    await reportToGithub(report({ preview: 'pr-7', url: 'https://other.example/' }), env)
    expect(github.comments).toHaveLength(2)
    expect(github.comments[1]?.body).toContain('https://other.example/')
    expect(github.comments[0]?.body).toBe('looks good')
  })

  it('finds its comment behind a hundred others', async () => {
    for (let id = 1; id <= 130; id++) github.comments.push({ id, issue: 7, body: 'chat' })
    await reportToGithub(report({ preview: 'pr-7' }), env)
    await reportToGithub(report({ preview: 'pr-7' }), env)
    expect(github.comments).toHaveLength(131)
  })

  it('that cannot be told is no failure, and the log says why', async () => {
    github.answerWith = 403
    expect(await reportToGithub(report({ preview: 'pr-7' }), env)).toMatch(
      /^GitHub was not told: GET .* was answered with 403; the job needs `pull-requests: write`$/,
    )
  })

  it('is not told without a token', async () => {
    const { GITHUB_TOKEN: _, ...without } = env
    expect(await reportToGithub(report({ preview: 'pr-7' }), without)).toBe(undefined)
    expect(github.comments).toEqual([])
  })
})
