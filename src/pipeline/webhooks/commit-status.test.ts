import { expect, it } from 'vitest'
import { statusRequest } from './commit-status.ts'

const commit = 'c'.repeat(40)
const status = { state: 'failure', description: 'x'.repeat(200), url: 'https://a.example' } as const

it.each([
  [
    'github',
    'https://github.com/lena/site.git',
    'https://api.github.com/repos/lena/site/statuses/',
  ],
  [
    'github',
    'https://git.example/lena/site',
    'https://git.example/api/v3/repos/lena/site/statuses/',
  ],
  [
    'gitea',
    'https://codeberg.org/lena/site',
    'https://codeberg.org/api/v1/repos/lena/site/statuses/',
  ],
  [
    'gitlab',
    'https://gitlab.com/lena/site.git',
    'https://gitlab.com/api/v4/projects/lena%2Fsite/statuses/',
  ],
] as const)('goes for %s of %s to %s', (forge, repositoryUrl, url) => {
  const about = { forge, repository: 'lena/site', commit }
  const request = statusRequest(about, status, { repositoryUrl, token: 't' })
  expect(request.url).toBe(`${url}${commit}`)
  const body = JSON.parse(request.body)
  expect(body.state).toBe(forge === 'gitlab' ? 'failed' : 'failure')
  expect(body.description).toHaveLength(140)
  expect(body.target_url).toBe('https://a.example')
})

it('goes to no other place than the repository’s, whatever the payload calls the repository', () => {
  const about = { forge: 'github', repository: '../../evil?x=/y', commit } as const
  const request = statusRequest(about, status, {
    repositoryUrl: 'https://github.com/lena/site',
    token: 't',
  })
  expect(new URL(request.url).origin).toBe('https://api.github.com')
  expect(request.url).not.toContain('?')
})
