/** `/a/b` is that path alone; `/a/*` all below /a/; `/*` everything. As CloudFront has it. */
export function compileInvalidation(patterns: readonly string[]): (path: string) => boolean {
  const exact = new Set<string>()
  const prefixes: string[] = []
  for (const pattern of patterns) {
    const rooted = pattern.startsWith('/') ? pattern : `/${pattern}`
    if (rooted.endsWith('*')) prefixes.push(rooted.slice(0, -1))
    else exact.add(rooted)
  }
  return path => exact.has(path) || prefixes.some(prefix => path.startsWith(prefix))
}

/** The right of a fetch under way to be stored; an invalidation that meets its path takes it. */
export interface FillPermit {
  readonly isRevoked: boolean
  /** To be called once the fetch ended, however it did. */
  release(): void
}

/** Fetches under way, so that an invalidation reaches what is not stored yet. */
export class FillPermits {
  readonly #open = new Set<{ project: string; path: string; isRevoked: boolean }>()

  grant(project: string, path: string): FillPermit {
    const fill = { project, path, isRevoked: false }
    this.#open.add(fill)
    return {
      get isRevoked() {
        return fill.isRevoked
      },
      release: () => this.#open.delete(fill),
    }
  }

  revoke(project: string, matches: (path: string) => boolean): void {
    for (const fill of this.#open) {
      if (fill.project === project && matches(fill.path)) fill.isRevoked = true
    }
  }
}
