import fc from 'fast-check'
import { expect, it } from 'vitest'
import { checkPreviewName, previewNameOf, siteNamed } from './preview-name.ts'

it.each([
  ['main', 'main'],
  ['feature/Log-in', 'feature-log-in'],
  ['dependabot/npm_and_yarn/x', 'dependabot-npm-and-yarn-x'],
  ['Über/Größe', 'uber-gro-e'],
  ['--a--', 'a'],
  ['a'.repeat(30), 'a'.repeat(30)],
])('names the preview of branch %s %s', (branch, name) => {
  expect(previewNameOf(branch)).toBe(name)
})

it('keeps what it cuts off as a hash, so that two long branches differ', () => {
  const [one, two] = ['1', '2'].map(end => previewNameOf(`feature/${'long-'.repeat(10)}${end}`))
  expect(one).toMatch(/^feature-long-long-long-[0-9a-f]{6}$/)
  expect(two).not.toBe(one)
  expect(previewNameOf('功能')).toMatch(/^preview-[0-9a-f]{6}$/)
  expect(previewNameOf('功能')).not.toBe(previewNameOf('菜单'))
})

it('is a name for any branch, and that of a name is the name', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), branch => {
      const name = previewNameOf(branch)
      expect(name).toMatch(/^(?=.{1,30}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/)
      expect(previewNameOf(name)).toBe(name)
    }),
  )
})

it.each(['www', 'live', 'preview', '', 'A', '-a', 'a-', 'a.b', 'a'.repeat(31)])(
  'refuses the name %j',
  name => {
    expect(() => checkPreviewName(name)).toThrow(
      expect.objectContaining({ code: 'RELEASES_PREVIEW_NAME' }),
    )
  },
)

it('finds a site by its project, or by a branch of it', () => {
  expect(siteNamed('shop')).toBe('shop')
  expect(siteNamed('shop@feature/Menu')).toBe('shop@feature-menu')
})
