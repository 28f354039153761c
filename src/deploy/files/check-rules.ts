import { isToken, isValidField } from '../../http/field-lists.ts'
import { isSettableField } from '../../http/settable-fields.ts'

/** Something about a line of `_redirects` or `_headers`; what is not fatal is a warning. */
export interface RuleProblem {
  /** Counted from 1. */
  line: number
  text: string
  isFatal: boolean
  hint?: string
}

/** Redirections, rewrites and refusals that mean something with a page beside them. */
const STATUSES = [200, 301, 302, 303, 307, 308, 401, 403, 404, 410, 451, 500, 503]
/** As the parser knows them: of these three also the small letter. */
const CONDITIONS = new Set([
  ...['Language', 'language', 'Country', 'country', 'Role', 'role'],
  ...['Cookie', 'Sign', 'signed'],
])
/** Why a rule with the condition does not do what it says. */
const WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  role: 'is never met: there is no sign-in here',
  sign: 'has no effect: requests are not signed here',
  signed: 'has no effect: requests are not signed here',
}

/** Finds in `_redirects` what the parser lets through and the edge could not do. */
export function checkRedirects(text: string): RuleProblem[] {
  return linesOf(text).flatMap(({ line, content }) => {
    const refuse = (problem: string, hint?: string): RuleProblem[] => [
      { line, text: problem, isFatal: true, ...(hint === undefined ? {} : { hint }) },
    ]
    const words = content.split(/\s+/)
    const comment = words.findIndex(word => word.startsWith('#'))
    const [from = '', ...parts] = comment === -1 ? words : words.slice(0, comment)
    if (parts.length === 0) return refuse(`"${from}" has no destination`, `${from} /somewhere 301`)
    // `/api/* 200` alone: it goes where it is.
    const isForward = /^\d/.test(parts[0]!)
    const to = parts.findIndex(part => /^(?:\/|https?:)/i.test(part))
    if (to === -1 && !isForward) {
      return refuse(`"${parts[0]}" is no destination: one begins with "/" or "https://"`)
    }
    const [status, ...conditions] = isForward ? parts : parts.slice(to + 1)
    if (status === undefined) return []
    if (!/^\d+!?$/.test(status) || !STATUSES.includes(Number.parseInt(status, 10))) {
      const hint = status.includes('=')
        ? 'a status stands before the conditions, such as 302'
        : `one of ${STATUSES.join(', ')}`
      return refuse(`"${status}" is no status of a rule`, hint)
    }
    return conditions.flatMap(condition => {
      const name = condition.split('=', 1)[0]!
      if (!CONDITIONS.has(name) || !/=./.test(condition)) {
        return refuse(`"${condition}" is no condition`, 'Language=de,fr or Cookie=name')
      }
      const problem = WITHOUT_EFFECT[name.toLowerCase()]
      return problem === undefined
        ? []
        : [{ line, text: `condition "${condition}" ${problem}`, isFatal: false }]
    })
  })
}

/** Finds in `_headers` what the parser passes over and the edge does not set. */
export function checkHeaders(text: string): RuleProblem[] {
  let hasPath = false
  return linesOf(text).flatMap(({ line, content }): RuleProblem[] => {
    if (content.startsWith('/')) {
      hasPath = true
      return []
    }
    const refuse = (problem: string, hint: string) => [{ line, text: problem, isFatal: true, hint }]
    if (/^https?:\/\//i.test(content)) {
      return refuse(`"${content}" is no path`, 'begin it with "/"; rules are for every host')
    }
    const [name = '', ...rest] = content.split(':').map(part => part.trim())
    const value = rest.join(':')
    if (rest.length === 0) {
      return refuse(`"${content}" has no colon`, suggestHeader(content))
    }
    if (!isToken(name)) return refuse(`"${name}" is no name of a header`, 'X-Frame-Options: DENY')
    if (value === '') return refuse(`header "${name}" has no value`, `${name}: value`)
    if (!isValidField(name, value)) {
      return refuse(`the value of header "${name}" has a control character`, 'remove it')
    }
    if (!hasPath) {
      return refuse(`header "${name}" stands before any path`, 'put a line such as /* above it')
    }
    if (isSettableField(name)) return []
    return [
      { line, text: `header "${name}" has no effect: the edge sets it itself`, isFatal: false },
    ]
  })
}

/** `X-Foo bar` → `X-Foo: bar`. */
function suggestHeader(content: string): string {
  const [name = '', ...words] = content.split(/\s+/)
  return `${name}: ${words.length === 0 ? 'value' : words.join(' ')}`
}

/** Lines that say something, trimmed. */
function linesOf(text: string): { line: number; content: string }[] {
  return text
    .split('\n')
    .map((content, index) => ({ line: index + 1, content: content.trim() }))
    .filter(({ content }) => content !== '' && !content.startsWith('#'))
}
