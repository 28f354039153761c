/** What is to be forgotten: by path, as CloudFront has it, and by tag. */
export interface Invalidation {
  /** `/a/b`: that path alone. */
  paths: readonly string[]
  /** Of `/a/*`: `/a/`; of `/*`: `/`. */
  prefixes: readonly string[]
  tags: readonly string[]
}

/** `/a/b` is that path alone; `/a/*` all below /a/; `/*` everything. */
export function parseInvalidation(
  patterns: readonly string[],
  tags: readonly string[] = [],
): Invalidation {
  const paths = new Set<string>()
  const prefixes = new Set<string>()
  for (const pattern of patterns) {
    const rooted = pattern.startsWith('/') ? pattern : `/${pattern}`
    if (rooted.endsWith('*')) prefixes.add(rooted.slice(0, -1))
    else paths.add(rooted)
  }
  return { paths: [...paths], prefixes: [...prefixes], tags: [...new Set(tags)] }
}

/** The right of a fetch under way to be stored; an invalidation that meets it takes it. */
export interface FillPermit {
  readonly isRevoked: boolean
  /** The tags of the response, once its header came. Until then it could have any. */
  nameTags(tags: readonly string[]): void
  /** To be called once the fetch ended, however it did. */
  release(): void
}

interface Fill {
  path: string
  tags: readonly string[] | undefined
  isRevoked: boolean
}

/** Fetches under way, so that an invalidation reaches what is not stored yet. */
export class FillPermits {
  readonly #projects = new Map<string, Set<Fill>>()

  grant(project: string, path: string): FillPermit {
    const fill: Fill = { path, tags: undefined, isRevoked: false }
    const fills = this.#projects.get(project) ?? new Set()
    this.#projects.set(project, fills.add(fill))
    return {
      get isRevoked() {
        return fill.isRevoked
      },
      nameTags(tags) {
        fill.tags = tags
      },
      release: () => {
        fills.delete(fill)
        if (fills.size === 0 && this.#projects.get(project) === fills)
          this.#projects.delete(project)
      },
    }
  }

  revoke(project: string, what: Invalidation): void {
    const paths = new Set(what.paths)
    const tags = new Set(what.tags)
    const meets = (fill: Fill) =>
      paths.has(fill.path) ||
      what.prefixes.some(prefix => fill.path.startsWith(prefix)) ||
      (tags.size > 0 && (fill.tags === undefined || fill.tags.some(tag => tags.has(tag))))
    for (const fill of this.#projects.get(project) ?? []) {
      if (!fill.isRevoked && meets(fill)) fill.isRevoked = true
    }
  }
}
