import type { EdgeBehavior } from '../behaviors/behavior.ts'
import { compilePathPattern } from '../behaviors/path-pattern.ts'
import { type CompiledHeaderRule, compileHeaderRules } from '../headers/header-rules.ts'
import { type CompiledRedirect, compileRedirects } from '../redirects/redirects.ts'
import type { EdgeRelease } from '../release.ts'
import { canonicalPath } from './pretty-urls.ts'

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

/** The behavior of a path: the first whose pattern matches. */
export function matchBehavior(rules: CompiledRules, path: string): EdgeBehavior | undefined {
  return rules.behaviors.find(({ matches }) => matches(path))?.behavior
}

/**
 * The behavior that guards a file of the release: the first that names its URL or the file itself,
 * so that `*.html` covers /about, also where `*` comes after it.
 */
export function behaviorOfFile(
  rules: CompiledRules,
  files: EdgeRelease['files'],
  filePath: string,
): EdgeBehavior | undefined {
  if (rules.behaviors.length === 0) return undefined
  const url = canonicalPath(files, filePath)
  return rules.behaviors.find(({ matches }) => matches(url) || matches(filePath))?.behavior
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
