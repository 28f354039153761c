import { expect, it } from 'vitest'
import { emptyDraft, type ReleaseDraft } from '../../../../releases/manifest.ts'
import { reviewRelease } from './review-release.ts'

const draft = (more: Partial<ReleaseDraft>): ReleaseDraft => ({ ...emptyDraft('site'), ...more })
const echo: ReleaseDraft['functions'][string] = {
  ...{ runtime: 'node' as const, handler: 'a.handler', codeSha256: '0'.repeat(64) },
  ...{ routes: ['/api/*'], timeoutMs: 1000, memoryMb: 128, environment: {} },
}

it('has nothing to say of an ordinary release', () => {
  const redirects = [
    { from: '/a', to: '/b' },
    { from: '/*', to: '/index.html', status: 200 },
    { from: '/x', to: 'https://example.org/' },
  ]
  const headers = [{ for: '/*', values: { 'X-Y': 'z', 'Basic-Auth': 'a:b', ETag: 'x' } }]
  expect(reviewRelease(draft({ redirects, headers, functions: { echo } }), 'releases')).toEqual([])
})

it('says which rules lead where a viewer function cannot', () => {
  const redirects = [
    { from: '/proxy/*', to: 'https://example.org/:splat', status: 200 },
    { from: '/call/:name', to: '/api/:name?x=1', status: 200 },
  ]
  const headers = [{ for: '/a', values: { 'Set-Cookie': 'a=1' } }]
  const said = reviewRelease(draft({ redirects, headers, functions: { echo } }), 'releases')
  expect(said).toEqual([
    expect.stringMatching(/"\/proxy\/\*" shows another site.*behavior/),
    expect.stringMatching(/"\/call\/:name" leads to function "echo".*route/),
    expect.stringMatching(/Set-Cookie for "\/a"/),
  ])
})

it('refuses what the store or the code cannot hold before anything is uploaded', () => {
  const redirects = [{ from: '/long', to: `/${'x'.repeat(1100)}` }]
  expect(() => reviewRelease(draft({ redirects }), 'releases')).toThrow(
    expect.objectContaining({ code: 'AWS_REDIRECT_TOO_LONG' }),
  )
  const many = Array.from({ length: 300 }, (_, n) => ({ from: `/${n}`, to: `/new/place/${n}` }))
  expect(reviewRelease(draft({ redirects: many }), 'releases')).toEqual([])
  expect(() => reviewRelease(draft({ redirects: many }), 'classic')).toThrow(
    expect.objectContaining({ code: 'AWS_VIEWER_CODE_TOO_LARGE' }),
  )
})

it('does not open a lock by classic mode', () => {
  const headers = [{ for: '/secret/*', values: { 'Basic-Auth': 'a:b' } }]
  expect(() => reviewRelease(draft({ headers }), 'classic')).toThrow(
    expect.objectContaining({
      code: 'AWS_CLASSIC_LOCK',
      message: expect.stringContaining('/secret/*'),
    }),
  )
})

it('says so where many redirects have to be read in order', () => {
  const redirects = Array.from({ length: 150 }, (_, n) => ({
    from: `/old/${n}/*`,
    to: `/${n}/:splat`,
  }))
  expect(reviewRelease(draft({ redirects }), 'releases')).toEqual([
    expect.stringMatching(/take \d+ values.*rule of its own/),
  ])
})
