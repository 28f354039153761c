import { createHmac } from 'node:crypto'
import { expect, it } from 'vitest'
import { readDelivery } from './delivery.ts'

const SECRET = "It's a Secret to Everybody"
const sign = (body: string) => createHmac('sha256', SECRET).update(body).digest('hex')
const read = (headers: Record<string, string>, body: string) =>
  readDelivery(headers, Buffer.from(body), SECRET)

it('takes GitHub’s own test value of a signature', () => {
  // docs.github.com, "Validating webhook deliveries": testing the webhook payload validation.
  const signature = '757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'
  const headers = { 'x-github-event': 'ping', 'x-hub-signature-256': `sha256=${signature}` }
  expect(read(headers, 'Hello, World!')).toEqual({ kind: 'ping' })
  expect(read(headers, 'Hello, World.')).toEqual({ kind: 'unsigned' })
})

it.each([
  ['no signature', {}],
  ['the old signature alone', { 'x-hub-signature': 'sha1=0' }],
  ['a signature without its algorithm', { 'x-hub-signature-256': sign('{}') }],
  ['an empty one', { 'x-hub-signature-256': 'sha256=' }],
  ['GitLab’s token in place of a signature', { 'x-gitlab-token': SECRET }],
])('refuses a delivery of GitHub with %s', (_, more: Record<string, string>) => {
  expect(read({ 'x-github-event': 'push', ...more }, '{}')).toEqual({ kind: 'unsigned' })
})

it('believes Gitea by its own signature, though it sends GitHub’s fields as well', () => {
  const after = 'bffeb74224043ba2feb48d137756c8a9331c449a'
  const body = JSON.stringify({
    ref: 'refs/heads/main',
    after,
    repository: { full_name: 'gitea/webhooks' },
  })
  const headers = {
    'x-github-event': 'push',
    'x-github-delivery': 'f6266f16-1bf3-46a5-9ea4-602e06ead473',
    'x-gitea-event': 'push',
    'x-gitea-delivery': 'f6266f16-1bf3-46a5-9ea4-602e06ead473',
    'x-gitea-signature': sign(body),
  }
  expect(read(headers, body)).toEqual({
    kind: 'push',
    forge: 'gitea',
    id: 'f6266f16-1bf3-46a5-9ea4-602e06ead473',
    ref: 'refs/heads/main',
    commit: after,
    repository: 'gitea/webhooks',
  })
  const { 'x-gitea-signature': signature, ...without } = headers
  const other = { ...without, 'x-hub-signature-256': `sha256=${signature}` }
  expect(read(other, body)).toEqual({ kind: 'unsigned' })
})

it.each([
  ['GitHub', { 'x-github-event': 'push' }, { repository: { default_branch: 'master' } }],
  [
    'GitLab',
    { 'x-gitlab-event': 'Push Hook', 'x-gitlab-token': SECRET },
    { project: { default_branch: 'master' } },
  ],
])('reads the default branch of %s', (_, headers: Record<string, string>, said) => {
  const body = JSON.stringify({ ref: 'refs/heads/main', after: 'a'.repeat(40), ...said })
  const signed = { ...headers, 'x-hub-signature-256': `sha256=${sign(body)}` }
  expect(read(signed, body)).toMatchObject({ ref: 'refs/heads/main', defaultBranch: 'master' })
})

it('knows a delivery without an id by its bytes', () => {
  const body = JSON.stringify({
    ref: 'refs/heads/main',
    after: 'a'.repeat(40),
    project: { path_with_namespace: 'group/sub/site' },
  })
  const headers = { 'x-gitlab-event': 'Push Hook', 'x-gitlab-token': SECRET }
  expect(read(headers, body)).toMatchObject({
    id: expect.stringMatching(/^[0-9a-f]{64}$/),
    repository: 'group/sub/site',
  })
})

it.each([
  '',
  '[]',
  'null',
  '"push"',
  '{',
  '{"ref":1,"after":2}',
  '{"ref":"x","after":"--upload-pack"}',
  `{"ref":"refs/heads/*:refs/heads/x","after":"${'a'.repeat(40)}"}`,
  `{"ref":"refs/heads/../../x","after":"${'a'.repeat(40)}"}`,
])('makes nothing of a signed body such as %j', body => {
  const headers = { 'x-github-event': 'push', 'x-hub-signature-256': `sha256=${sign(body)}` }
  expect(read(headers, body)).toMatchObject({ kind: 'ignored' })
})
