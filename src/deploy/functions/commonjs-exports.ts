/** What a CommonJS module exports, as far as it can be read without running it. */
export interface CommonJsExports {
  names: ReadonlySet<string>
  /** There may be others: it copies, passes on or computes some of its exports. */
  mayHaveMore: boolean
}

const ASSIGNED = /\bexports(?:\.([\w$]+)|\["([^"]+)"\])=(?!=)/g
const DEFINED = /\.defineProperty\((?:module\.)?exports,"([^"]+)"/g
const REPLACED = /\bmodule\.exports=(?!=)/g
const KEY = /(?:(?:async|get|set)(?=[ *"])\s?)?\*?(?:([\w$]+)|"([^"]*)")/y

/** Reads code that esbuild has written with `minifyWhitespace`: one spelling, no comments. */
export function readCommonJsExports(code: string): CommonJsExports {
  const names = new Set<string>()
  for (const pattern of [ASSIGNED, DEFINED]) {
    for (const match of code.matchAll(pattern)) names.add(match[1] ?? match[2] ?? '')
  }
  const rest = code.replace(DEFINED, '')
  let mayHaveMore =
    /[(,](?:module\.)?(?:exports|module)[,)]/.test(rest) || // given to somebody
    /=(?:module\.)?exports\b(?![.=[])/.test(rest) || // another name for it
    /\bexports\[(?!")/.test(rest)
  for (const match of code.matchAll(REPLACED)) {
    const isComplete = readKeys(code, match.index + match[0].length, names)
    mayHaveMore ||= !isComplete
  }
  return { names, mayHaveMore }
}

/** Adds the keys of an object literal. False where it is none, or has more than plain keys. */
function readKeys(code: string, start: number, names: Set<string>): boolean {
  if (code[start] !== '{') return false
  let depth = 0
  for (let at = start; at < code.length; at++) {
    const char = code[at]!
    // Templates, regular expressions and strings with escapes may hold any bracket.
    if ("`'/".includes(char)) return false
    if (char === '"') {
      const end = code.indexOf('"', at + 1)
      if (end < 0 || code.slice(at, end).includes('\\')) return false
      at = end
      continue
    }
    if ('{[('.includes(char)) depth++
    if ('}])'.includes(char)) depth--
    if (depth === 0) return true
    const isBeforeKey = depth === 1 && (char === ',' || at === start)
    if (!isBeforeKey || code[at + 1] === '}') continue
    KEY.lastIndex = at + 1
    const key = KEY.exec(code)
    if (key === null) return false // spread or computed
    names.add(key[1] ?? key[2] ?? '')
    at += key[0].length
  }
  return false
}
