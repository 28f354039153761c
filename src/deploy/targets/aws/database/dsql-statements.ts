import type { Refusal } from './dsql-columns.ts'
import {
  alterTableRefusals,
  createIndexRefusals,
  createSequenceRefusals,
  createTableRefusals,
} from './dsql-tables.ts'
import type { SqlToken } from './sql-tokens.ts'
import { find, isSymbol, StatementReader } from './statement-reader.ts'

type Words = readonly [phrase: string, problem: string, instead: string]

const LEAVE = 'leave it away'
const IN_FUNCTION = 'do it in the function that changes the row'

/** Statements by their first words. */
const STATEMENTS: readonly Words[] = [
  ['truncate', 'there is no TRUNCATE', 'delete from, 3,000 rows at most in a migration'],
  ['vacuum', 'there is no VACUUM', 'leave it away: nothing needs it'],
  ['reindex', 'there is no REINDEX', 'drop the index and create it'],
  ['cluster', 'there is no CLUSTER', 'leave it away: tables are ordered by their primary key'],
  ['checkpoint', 'there is no CHECKPOINT', LEAVE],
  ['lock', 'nothing is locked', 'leave it away: who comes second is refused and tries again'],
  ['listen', 'there is no LISTEN', 'a queue of AWS'],
  ['unlisten', 'there is no LISTEN', 'a queue of AWS'],
  ['notify', 'there is no NOTIFY', 'a queue of AWS'],
  ['do', 'there is no PL/pgSQL', 'statements of SQL, or a function of the project'],
  ['savepoint', 'there are no savepoints', LEAVE],
  ['release', 'there are no savepoints', LEAVE],
  ['rollback', 'there are no savepoints', LEAVE],
  ['declare', 'there are no cursors', 'select … limit'],
  ['load', 'nothing is loaded', LEAVE],
  ['discard', 'there is no DISCARD', LEAVE],
  ['copy', 'no file is there to copy from', 'insert into … values'],
  ['refresh', 'there are no materialized views', 'a view, or a table that a function fills'],
  ['import', 'there are no foreign tables', LEAVE],
  ['security', 'there are no security labels', LEAVE],
  ['set transaction', 'transactions have one isolation level', LEAVE],
  ['set session characteristics', 'transactions have one isolation level', LEAVE],
]

/** What CREATE, ALTER and DROP know, and Aurora DSQL does not. */
const OBJECTS: readonly Words[] = [
  [
    'materialized view',
    'there are no materialized views',
    'a view, or a table that a function fills',
  ],
  ['constraint trigger', 'there are no triggers', IN_FUNCTION],
  ['event trigger', 'there are no triggers', IN_FUNCTION],
  ['trigger', 'there are no triggers', IN_FUNCTION],
  ['extension', 'there are no extensions', 'leave it away; gen_random_uuid() is there without one'],
  ['type', 'no types can be made', 'text with a check, such as check (state in (…)), or jsonb'],
  ['procedure', 'there are no procedures', 'a function of the project'],
  ['database', 'there is one database', LEAVE],
  ['policy', 'there is no row level security', 'a condition in the queries'],
  ['rule', 'there are no rules', IN_FUNCTION],
  ['server', 'there are no foreign tables', LEAVE],
  ['foreign', 'there are no foreign tables', LEAVE],
  ['user mapping', 'there are no foreign tables', LEAVE],
  ['publication', 'nothing is published', LEAVE],
  ['subscription', 'nothing is subscribed to', LEAVE],
  ['aggregate', 'no aggregates can be made', 'count in the query'],
  ['operator', 'no operators can be made', 'a function of SQL'],
  ['cast', 'no casts can be made', 'a function of SQL'],
  ['collation', 'no collations can be made', LEAVE],
  ['conversion', 'no conversions can be made', LEAVE],
  ['text search', 'there is no full-text search', 'a service that searches'],
  ['language', 'there is SQL alone', LEAVE],
  ['trusted', 'there is SQL alone', LEAVE],
  ['procedural', 'there is SQL alone', LEAVE],
  ['tablespace', 'there are no tablespaces', LEAVE],
  ['access method', 'there is one access method', LEAVE],
  ['transform', 'there is SQL alone', LEAVE],
  ['system', 'the server is AWS’s to set up', LEAVE],
  ['default privileges', 'there are no default privileges', 'grant … on the table'],
]

const TEMPORARY = ['temporary', 'temp', 'unlogged', 'local temporary', 'local temp'] as const

/** Functions that PostgreSQL 18 or an extension has; Aurora DSQL is as PostgreSQL 16. */
const FUNCTIONS: Readonly<Record<string, string>> = {
  uuidv7: 'gen_random_uuid()',
  uuidv4: 'gen_random_uuid()',
  uuid_generate_v4: 'gen_random_uuid()',
}

/** Rows that a transaction may change. */
const MAX_ROWS = 3000

/** All that Aurora DSQL refuses of one statement. */
export function statementRefusals(tokens: readonly SqlToken[]): Refusal[] {
  return [...ofKind(tokens), ...ofFunctions(tokens)]
}

function ofKind(tokens: readonly SqlToken[]): Refusal[] {
  const [first] = tokens
  const reader = new StatementReader(tokens)
  if (reader.skip('create')) return createRefusals(reader, first)
  if (reader.skip('alter')) {
    if (reader.skip('table')) return alterTableRefusals(reader)
    return refusedBy(OBJECTS, reader, first)
  }
  // A trigger that is not there can be dropped.
  if (reader.skip('drop')) return reader.skip('trigger') ? [] : refusedBy(OBJECTS, reader, first)
  if (reader.skip('insert')) return rowRefusals(reader.rest, first)
  if (reader.skip('select')) return selectRefusals(reader.rest)
  return refusedBy(STATEMENTS, reader, first)
}

function refusedBy(
  table: readonly Words[],
  reader: StatementReader,
  token: SqlToken | undefined,
): Refusal[] {
  const refused = table.find(([phrase]) => reader.skip(...phrase.split(' ')))
  if (refused === undefined) return []
  const [, problem, instead] = refused
  return [{ token, problem, instead }]
}

function createRefusals(reader: StatementReader, first: SqlToken | undefined): Refusal[] {
  reader.skip('or', 'replace')
  reader.skip('global')
  const temporary = reader.skipOneOf(TEMPORARY)
  if (temporary !== undefined) {
    const problem =
      temporary === 'unlogged' ? 'all tables are logged' : 'nothing is temporary in the database'
    const instead =
      temporary === 'unlogged' ? 'leave it away' : 'with … as (…), or an ordinary table'
    return [{ token: first, problem, instead }]
  }
  if (reader.skip('table')) return createTableRefusals(reader)
  if (reader.skip('unique', 'index') || reader.skip('index')) return createIndexRefusals(reader)
  if (reader.skip('sequence')) return createSequenceRefusals(reader)
  if (reader.skip('function')) return functionRefusals(reader.rest)
  const refused = refusedBy(OBJECTS, reader, first)
  if (refused.length > 0) return refused
  return reader.skip('role') || reader.skip('user') ? roleRefusals(reader.rest) : []
}

function functionRefusals(rest: readonly SqlToken[]): Refusal[] {
  const refusals: Refusal[] = []
  const language = find(rest, 'language')
  const name = language?.behind[0]?.text.toLowerCase()
  if (language !== undefined && name !== 'sql') {
    refusals.push({
      token: language.token,
      problem: `functions are of SQL, and not of ${name}`,
      instead: 'language sql, or a function of the project',
    })
  }
  const definer = find(rest, 'security', 'definer')
  if (definer !== undefined) {
    refusals.push({
      token: definer.token,
      problem: 'functions run as who calls them',
      instead: 'leave it away, and grant what it needs',
    })
  }
  return refusals
}

function roleRefusals(rest: readonly SqlToken[]): Refusal[] {
  const password = find(rest, 'password')
  if (password === undefined) return []
  const problem = 'nobody has a password: IAM lets in'
  return [{ token: password.token, problem, instead: 'leave it away' }]
}

function rowRefusals(rest: readonly SqlToken[], first: SqlToken | undefined): Refusal[] {
  const behind = find(rest, 'values')?.behind ?? []
  let depth = 0
  let rows = 0
  for (const token of behind) {
    if (isSymbol(token, '(')) {
      if (depth === 0) rows += 1
      depth += 1
    } else if (isSymbol(token, ')')) depth -= 1
    else if (depth === 0 && token.kind === 'word') break
  }
  if (rows <= MAX_ROWS) return []
  const problem = `it has ${rows} rows, and a transaction may change ${MAX_ROWS}`
  return [{ token: first, problem, instead: 'several statements' }]
}

function selectRefusals(rest: readonly SqlToken[]): Refusal[] {
  const into = find(rest, 'into')
  if (into === undefined) return []
  return [
    {
      token: into.token,
      problem: 'a table cannot be made of a query',
      instead: 'create table, then insert … select in a migration of its own',
    },
  ]
}

function ofFunctions(tokens: readonly SqlToken[]): Refusal[] {
  return tokens.flatMap((token, at) => {
    const isCall = token.kind === 'word' && isSymbol(tokens[at + 1], '(')
    const instead = isCall ? FUNCTIONS[token.text] : undefined
    if (instead === undefined) return []
    return [{ token, problem: `there is no function ${token.text}()`, instead }]
  })
}
