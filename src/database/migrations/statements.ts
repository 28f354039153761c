/** One SQL statement of a file, without its semicolon and without comments before it. */
export interface Statement {
  text: string
  /** Where it begins in the file, in UTF-16 units. */
  offset: number
  /** Its first words in lower case, comments and quoted names left out: `create unique index`. */
  words: readonly string[]
  /** Contains the words FROM STDIN outside of strings: a COPY that would wait for data. */
  readsInput: boolean
}

// The lexical rules of PostgreSQL ("Lexical Structure"). Sticky; tried in this order.
const WHITESPACE = /\s+/y
const LINE_COMMENT = /--[^\n]*/y
const ESCAPE_STRING = /[eE]'(?:[^'\\]+|\\[\s\S]|''|'[ \t]*\r?\n\s*')*(?:'|$)/y
const STRING = /'(?:[^']+|'')*(?:'|$)/y
const QUOTED_NAME = /"(?:[^"]+|"")*(?:"|$)/y
const DOLLAR_TAG = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y
const NUMBER_OR_PARAMETER = /\$?\d[\w.]*/y

const MAX_WORDS = 8

class Scanner {
  readonly #sql: string
  #at = 0
  #start = -1
  #end = 0
  #parentheses = 0
  #bodyDepth = 0
  #words: string[] = []
  #previousWord = ''
  #readsInput = false
  readonly #statements: Statement[] = []

  constructor(sql: string) {
    this.#sql = sql
  }

  run(): Statement[] {
    while (this.#at < this.#sql.length) {
      if (this.#skipBlank() || this.#separator()) continue
      if (this.#start < 0) this.#start = this.#at
      this.#token()
      this.#end = this.#at
    }
    this.#finish()
    return this.#statements
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#sql)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }

  #skipBlank(): boolean {
    if (this.#match(WHITESPACE) !== undefined) return true
    if (this.#match(LINE_COMMENT) !== undefined) return true
    if (!this.#sql.startsWith('/*', this.#at)) return false
    // Block comments nest, as the standard says and unlike in C.
    let depth = 0
    do {
      if (this.#sql.startsWith('/*', this.#at)) {
        depth += 1
        this.#at += 2
      } else if (this.#sql.startsWith('*/', this.#at)) {
        depth -= 1
        this.#at += 2
      } else this.#at += 1
    } while (depth > 0 && this.#at < this.#sql.length)
    return true
  }

  #separator(): boolean {
    if (this.#sql[this.#at] !== ';' || this.#parentheses > 0 || this.#bodyDepth > 0) return false
    this.#finish()
    this.#at += 1
    return true
  }

  #token(): void {
    if (this.#match(ESCAPE_STRING) ?? this.#match(STRING) ?? this.#match(QUOTED_NAME)) return
    const tag = this.#match(DOLLAR_TAG)
    if (tag !== undefined) {
      const close = this.#sql.indexOf(tag, this.#at)
      this.#at = close < 0 ? this.#sql.length : close + tag.length
      return
    }
    const word = this.#match(WORD)
    if (word !== undefined) {
      this.#word(word.toLowerCase())
      return
    }
    if (this.#match(NUMBER_OR_PARAMETER) !== undefined) return
    const character = this.#sql[this.#at]
    if (character === '(') this.#parentheses += 1
    if (character === ')') this.#parentheses = Math.max(0, this.#parentheses - 1)
    this.#at += 1
  }

  #word(word: string): void {
    if (this.#previousWord === 'from' && word === 'stdin') this.#readsInput = true
    this.#previousWord = word
    if (this.#words.length < MAX_WORDS) this.#words.push(word)
    if (this.#parentheses > 0 || !createsRoutine(this.#words)) return
    // CREATE FUNCTION … BEGIN ATOMIC …; END: semicolons in the body, as psql's psqlscan.l counts them.
    if (word === 'begin') this.#bodyDepth += 1
    else if (word === 'case' && this.#bodyDepth > 0) this.#bodyDepth += 1
    else if (word === 'end' && this.#bodyDepth > 0) this.#bodyDepth -= 1
  }

  #finish(): void {
    if (this.#start >= 0) {
      this.#statements.push({
        text: this.#sql.slice(this.#start, this.#end),
        offset: this.#start,
        words: this.#words,
        readsInput: this.#readsInput,
      })
    }
    this.#start = -1
    this.#parentheses = 0
    this.#bodyDepth = 0
    this.#words = []
    this.#previousWord = ''
    this.#readsInput = false
  }
}

function createsRoutine(words: readonly string[]): boolean {
  const [first, second, third, fourth] = words
  if (first !== 'create') return false
  const kind = second === 'or' && third === 'replace' ? fourth : second
  return kind === 'function' || kind === 'procedure'
}

/**
 * Splits SQL at its semicolons. Strings, dollar quotes, quoted names, nested comments and
 * BEGIN ATOMIC bodies keep theirs. Never throws: what is malformed is left for the server to judge.
 */
export function splitStatements(sql: string): Statement[] {
  return new Scanner(sql).run()
}

/**
 * The words of a statement that would end or replace the transaction it runs in (`commit`,
 * `start transaction`), or undefined. Savepoints are harmless.
 */
export function transactionControl(statement: Statement): string | undefined {
  const [first = '', second, third] = statement.words
  if (first === 'begin' || first === 'commit' || first === 'end' || first === 'abort') return first
  if (first === 'rollback') {
    const isToSavepoint =
      second === 'to' || ((second === 'work' || second === 'transaction') && third === 'to')
    return isToSavepoint ? undefined : first
  }
  if ((first === 'start' || first === 'prepare') && second === 'transaction') {
    return `${first} transaction`
  }
  return undefined
}

/** The line, counted from 1, at an offset in UTF-16 units. */
export function lineAt(text: string, offset: number): number {
  let line = 1
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) {
    line += 1
  }
  return line
}

/** UTF-16 offset of the server's error `position`, which counts characters from 1. */
export function offsetOfPosition(text: string, position: number): number {
  let offset = 0
  for (let count = 1; count < position && offset < text.length; count += 1) {
    offset += (text.codePointAt(offset) ?? 0) > 0xffff ? 2 : 1
  }
  return offset
}
