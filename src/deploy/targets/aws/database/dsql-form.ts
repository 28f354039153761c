import { tokenizeSql } from './sql-tokens.ts'
import { isSymbol, StatementReader } from './statement-reader.ts'

/**
 * A statement as Aurora DSQL runs it. An index is made, and a constraint is validated, in the
 * background (`ASYNC`), which PostgreSQL itself does not know; `job`: the statement's only row says
 * in `job_id` which job does it.
 */
export function dsqlForm(statement: string): { text: string; isJob: boolean } {
  const tokens = tokenizeSql(statement)
  const reader = new StatementReader(tokens)
  const behind = () => reader.next?.offset ?? statement.length
  if (reader.skip('create', 'unique', 'index') || reader.skip('create', 'index')) {
    const at = behind()
    const isAsync = reader.skip('async')
    const without = withoutDefaults(statement)
    return { text: isAsync ? without : insert(without, at, 'async '), isJob: true }
  }
  if (reader.skip('alter', 'table')) {
    const at = behind()
    const isAsync = reader.skip('async')
    if (!isValidation(reader)) return { text: statement, isJob: isAsync }
    return { text: isAsync ? statement : insert(statement, at, 'async '), isJob: true }
  }
  return { text: statement, isJob: false }
}

function isValidation(reader: StatementReader): boolean {
  reader.skipIfExists()
  reader.skip('only')
  reader.name()
  return reader.skip('validate', 'constraint')
}

const insert = (text: string, at: number, word: string) =>
  `${text.slice(0, at)}${word}${text.slice(at)}`

/** `using btree` and `asc` say what is so without them, and are refused. Blanks keep every offset. */
function withoutDefaults(statement: string): string {
  const tokens = tokenizeSql(statement)
  let text = statement
  for (const [at, { kind, text: word, offset }] of tokens.entries()) {
    if (kind !== 'word') continue
    const next = tokens[at + 1]
    if (word === 'using' && next?.kind === 'word' && next.text === 'btree') {
      text = blank(text, offset, next.offset + 'btree'.length)
    }
    const isKeyEnd = isSymbol(next, ',') || isSymbol(next, ')') || next?.text === 'nulls'
    if (word === 'asc' && isKeyEnd) text = blank(text, offset, offset + 'asc'.length)
  }
  return text
}

const blank = (text: string, start: number, end: number) =>
  `${text.slice(0, start)}${' '.repeat(end - start)}${text.slice(end)}`
