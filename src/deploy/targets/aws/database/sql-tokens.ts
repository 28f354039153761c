/** A word in lower case, a quoted name or a string as it stands for, or a single character. */
export interface SqlToken {
  kind: 'word' | 'name' | 'string' | 'number' | 'symbol'
  text: string
  /** In UTF-16 units. */
  offset: number
}

// The lexical rules of PostgreSQL ("Lexical Structure"). Sticky; tried in this order.
const SPACE = /\s+|--[^\n]*/y
const RULES: readonly [SqlToken['kind'], RegExp][] = [
  ['string', /[eE]'(?:[^'\\]+|\\[\s\S]|'')*(?:'|$)/y],
  ['string', /(?:[bBxXnN]|[uU]&)?'(?:[^']+|'')*(?:'|$)/y],
  ['name', /(?:[uU]&)?"(?:[^"]+|"")*(?:"|$)/y],
  ['string', /(\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$)[\s\S]*?(?:\1|$)/y],
  ['word', /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y],
  ['number', /\d(?:[\w.]|(?<=[eE])[+-])*|\.\d\w*|\$\d+/y],
  ['symbol', /::|[\s\S]/y],
]

/**
 * The tokens of SQL, without comments. Never throws: a string without an end ends with the text, as
 * the server would see it that refuses it.
 */
export function tokenizeSql(sql: string): SqlToken[] {
  const tokens: SqlToken[] = []
  for (let at = 0; at < sql.length; ) {
    const blank = match(SPACE, sql, at) ?? blockComment(sql, at)
    if (blank !== undefined) {
      at += blank.length
      continue
    }
    for (const [kind, rule] of RULES) {
      const found = match(rule, sql, at)
      if (found === undefined) continue
      tokens.push({ kind, text: meaning(kind, found), offset: at })
      at += found.length
      break
    }
  }
  return tokens
}

function match(rule: RegExp, sql: string, at: number): string | undefined {
  rule.lastIndex = at
  return rule.exec(sql)?.[0]
}

/** Block comments nest, as the standard says and unlike in C. */
function blockComment(sql: string, start: number): string | undefined {
  if (!sql.startsWith('/*', start)) return undefined
  let at = start
  let depth = 0
  do {
    const pair = sql.slice(at, at + 2)
    if (pair === '/*') depth += 1
    if (pair === '*/') depth -= 1
    at += pair === '/*' || pair === '*/' ? 2 : 1
  } while (depth > 0 && at < sql.length)
  return sql.slice(start, at)
}

function meaning(kind: SqlToken['kind'], text: string): string {
  if (kind === 'word') return text.toLowerCase()
  if (kind === 'name') return text.replace(/^[^"]*"|"$/g, '').replaceAll('""', '"')
  if (kind !== 'string') return text
  const dollar = /^\$[^$]*\$/.exec(text)?.[0]
  if (dollar !== undefined) {
    return text.slice(dollar.length, text.endsWith(dollar) ? -dollar.length : undefined)
  }
  return text.replace(/^[^']*'|'$/g, '').replaceAll("''", "'")
}
