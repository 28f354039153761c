import { describe, expect, it } from 'vitest'
import type { Project } from '../../../../../config/project.ts'
import { sampleProject } from '../sample.contract.ts'
import { requireGuards } from './guards.ts'

const behaviors = [
  { pattern: '/members/*', origin: 'site', signedBy: ['key'] },
  { pattern: '/secret.html', origin: 'site', signedBy: ['key'] },
]
const project = sampleProject({ edge: { behaviors } as Project['edge'] })
const check = (from: string, to: string, status = 200) =>
  requireGuards(project, { redirects: [{ from, to, status }] as never })

describe('a rule of _redirects that shows another path', () => {
  it.each([
    ['/open', '/members/list.html'],
    ['/open/*', '/members/:splat'],
    ['/old/*', '/:splat'],
    ['/peek', '/secret'],
    ['https://old.example.org/x', '/members/x'],
  ])('is refused where it would open what is guarded: %s → %s', (from, to) => {
    expect(() => check(from, to)).toThrow(/keeps that for signed URLs/)
  })

  it.each([
    ['/members/all', '/members/list.html'],
    ['/open/*', '/public/:splat'],
    ['/app/*', '/index.html'],
    ['/open', 'https://elsewhere.example/members/x'],
  ])('is let be where it opens nothing: %s → %s', (from, to) => {
    expect(() => check(from, to)).not.toThrow()
  })

  it('may lead there by a redirect, which asks the guard', () => {
    expect(() => check('/open', '/members/x', 302)).not.toThrow()
  })
})
