import type { SqlToken } from './sql-tokens.ts'

/** Reads the tokens of a statement from the first to the last. */
export class StatementReader {
  readonly tokens: readonly SqlToken[]
  #at = 0

  constructor(tokens: readonly SqlToken[]) {
    this.tokens = tokens
  }

  get next(): SqlToken | undefined {
    return this.tokens[this.#at]
  }

  get rest(): readonly SqlToken[] {
    return this.tokens.slice(this.#at)
  }

  /** Goes on behind these words, and says whether they are what came. */
  skip(...words: readonly string[]): boolean {
    if (!isAt(this.tokens, this.#at, words)) return false
    this.#at += words.length
    return true
  }

  /** Goes on behind the first of these phrases that comes; the phrase. */
  skipOneOf(phrases: readonly string[]): string | undefined {
    return phrases.find(phrase => this.skip(...phrase.split(' ')))
  }

  skipIfExists(): void {
    if (!this.skip('if', 'not', 'exists')) this.skip('if', 'exists')
  }

  /** Goes on behind a name, with its schema; the name as it was written. */
  name(): string {
    let text = ''
    for (;;) {
      text += this.tokens[this.#at]?.text ?? ''
      this.#at += 1
      if (this.next?.text !== '.' || this.next.kind !== 'symbol') return text
      text += '.'
      this.#at += 1
    }
  }

  /** Goes on behind what stands in parentheses; undefined where there are none. */
  parentheses(): readonly SqlToken[] | undefined {
    if (!isSymbol(this.next, '(')) return undefined
    const start = this.#at + 1
    let depth = 0
    for (; this.#at < this.tokens.length; this.#at += 1) {
      if (isSymbol(this.next, '(')) depth += 1
      if (isSymbol(this.next, ')')) depth -= 1
      if (depth === 0) break
    }
    this.#at += 1
    return this.tokens.slice(start, this.#at - 1)
  }
}

export const isSymbol = (token: SqlToken | undefined, text: string): boolean =>
  token?.kind === 'symbol' && token.text === text

function isAt(tokens: readonly SqlToken[], at: number, words: readonly string[]): boolean {
  return words.every((word, index) => {
    const token = tokens[at + index]
    return token?.kind === 'word' && token.text === word
  })
}

/** Where these words stand one behind the other, outside of any parentheses. */
export function find(
  tokens: readonly SqlToken[],
  ...words: readonly string[]
): { token: SqlToken; behind: readonly SqlToken[] } | undefined {
  let depth = 0
  for (const [at, token] of tokens.entries()) {
    if (isSymbol(token, '(')) depth += 1
    else if (isSymbol(token, ')')) depth -= 1
    else if (depth === 0 && isAt(tokens, at, words)) {
      return { token, behind: tokens.slice(at + words.length) }
    }
  }
  return undefined
}

/** Pieces between commas that stand in no parentheses of their own. */
export function splitAtCommas(tokens: readonly SqlToken[]): SqlToken[][] {
  const pieces: SqlToken[][] = [[]]
  let depth = 0
  for (const token of tokens) {
    if (isSymbol(token, '(')) depth += 1
    if (isSymbol(token, ')')) depth -= 1
    if (depth === 0 && isSymbol(token, ',')) pieces.push([])
    else pieces.at(-1)?.push(token)
  }
  return pieces.filter(piece => piece.length > 0)
}
