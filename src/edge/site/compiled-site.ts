import type { EdgeBehavior } from '../behaviors/behavior.ts'
import { compilePathPattern } from '../behaviors/path-pattern.ts'
import { type CompiledHeaderRule, compileHeaderRules } from '../headers/header-rules.ts'
import { type CompiledRedirect, compileRedirects } from '../redirects/redirects.ts'
import type { EdgeRelease } from '../release.ts'

/** The rules of a release, made ready for matching. */
export interface CompiledRules {
  redirects: readonly CompiledRedirect[]
  headers: readonly CompiledHeaderRule[]
  behaviors: readonly CompiledBehavior[]
}

export interface CompiledBehavior {
  behavior: EdgeBehavior
  matches(path: string): boolean
}

/** The behavior of a path; undefined where it is the site's own, by name or for want of one. */
export function matchBehavior(rules: CompiledRules, path: string): EdgeBehavior | undefined {
  const behavior = rules.behaviors.find(({ matches }) => matches(path))?.behavior
  return behavior?.origin === 'site' ? undefined : behavior
}

/** Compiles each release once, however often it is handed over. */
export class RuleCompiler {
  readonly #compiled = new WeakMap<EdgeRelease, CompiledRules>()
  readonly #onRefusedHeader: (release: EdgeRelease, name: string, pattern: string) => void

  constructor(onRefusedHeader: (release: EdgeRelease, name: string, pattern: string) => void) {
    this.#onRefusedHeader = onRefusedHeader
  }

  rulesOf(release: EdgeRelease): CompiledRules {
    const known = this.#compiled.get(release)
    if (known !== undefined) return known
    const rules: CompiledRules = {
      redirects: compileRedirects(release.redirects),
      headers: compileHeaderRules(release.headers, (name, pattern) =>
        this.#onRefusedHeader(release, name, pattern),
      ),
      behaviors: (release.behaviors ?? []).map(behavior => ({
        behavior,
        matches: compilePathPattern(behavior.pattern),
      })),
    }
    this.#compiled.set(release, rules)
    return rules
  }
}
