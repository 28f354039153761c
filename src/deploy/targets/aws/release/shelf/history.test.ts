import { describe, expect, it } from 'vitest'
import { NO_HISTORY, nextId, parseHistory, withRelease } from './history.ts'

const release = (id: string) => ({ id, manifestSha256: '', createdMs: 0, files: 0, functions: 0 })

describe('ids of releases', () => {
  it('come after all there are, and after the live one of a history that is behind', () => {
    const history = withRelease(withRelease(NO_HISTORY, release('r-2')), release('r-1'))
    expect(nextId(NO_HISTORY, undefined)).toBe('r-1')
    expect(nextId(history, 'r-2')).toBe('r-3')
    expect(nextId(history, 'r-7')).toBe('r-8')
  })

  it('are given once: what CloudFront keeps by the path of a release that is gone is never shown again', () => {
    const history = withRelease(withRelease(NO_HISTORY, release('r-1')), release('r-2'))
    const pruned = { ...history, releases: [release('r-1')] }
    expect(nextId(parseHistory(JSON.stringify(pruned)), 'r-1')).toBe('r-3')
  })

  it('go on from a history of before that was written down', () => {
    const { last: _, ...old } = withRelease(NO_HISTORY, release('r-4'))
    expect(nextId(parseHistory(JSON.stringify(old)), 'r-4')).toBe('r-5')
  })
})
