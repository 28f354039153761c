import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lineAt, offsetOfPosition, splitStatements, transactionControl } from './statements.ts'

const texts = (sql: string) => splitStatements(sql).map(statement => statement.text)

describe('splitStatements', () => {
  it.each<[string, string, string[]]>([
    ['plain statements', 'select 1; select 2;\n', ['select 1', 'select 2']],
    ['nothing', ' ;; -- only\n/* a */;', []],
    ['strings', `select 'a;''b;'; select 2`, [`select 'a;''b;'`, 'select 2']],
    ['backslashes in plain strings', `select 'a\\'; select 2`, [`select 'a\\'`, 'select 2']],
    ['escape strings', `select E'a\\';b'; select 2`, [`select E'a\\';b'`, 'select 2']],
    ['continued escape strings', `select e'a'\n'\\';'; x`, [`select e'a'\n'\\';'`, 'x']],
    ['quoted names', 'select "a;""b;"; x', ['select "a;""b;"', 'x']],
    ['dollar quotes', 'do $$ begin; end $$; x', ['do $$ begin; end $$', 'x']],
    ['tagged dollar quotes', 'do $a$ $$;$b$; $a$; x', ['do $a$ $$;$b$; $a$', 'x']],
    ['dollars in names', 'select a$b$c; x', ['select a$b$c', 'x']],
    ['parameters', 'select $1; x', ['select $1', 'x']],
    ['line comments', 'select 1 -- a; b\n; x', ['select 1', 'x']],
    ['nested comments', 'select /* a; /* b; */ c; */ 1; x', ['select /* a; /* b; */ c; */ 1', 'x']],
    [
      'rules',
      'create rule r as on insert to t do (a; b); x',
      ['create rule r as on insert to t do (a; b)', 'x'],
    ],
    [
      'routine bodies of the standard',
      'create or replace function f() returns int begin atomic select case when true then 1 end; select 2; end; x',
      [
        'create or replace function f() returns int begin atomic select case when true then 1 end; select 2; end',
        'x',
      ],
    ],
  ])('keeps %s whole', (_, sql, expected) => {
    expect(texts(sql)).toEqual(expected)
  })

  it('tells where each statement begins, whatever the input', () => {
    const pieces = fc.constantFrom(
      "'",
      '"',
      '$$',
      '$a$',
      '--',
      '\n',
      '/*',
      '*/',
      ';',
      ' ',
      'x',
      "e'",
      '(',
      ')',
      '\\',
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 30 }), parts => {
        const sql = parts.join('')
        for (const { text, offset } of splitStatements(sql)) {
          expect(sql.startsWith(text, offset)).toBe(true)
        }
      }),
    )
  })

  it('reads megabytes of string without exhausting the stack', () => {
    expect(texts(`insert into t values ('${"x''".repeat(700_000)}'); x`)).toHaveLength(2)
  })
})

describe('transactionControl', () => {
  it.each([
    ['begin', 'begin'],
    ['COMMIT AND CHAIN', 'commit'],
    ['/* x */ End', 'end'],
    ['rollback', 'rollback'],
    ['abort work', 'abort'],
    ['start transaction', 'start transaction'],
    ["prepare transaction 'x'", 'prepare transaction'],
    ['rollback to savepoint a', undefined],
    ['rollback work to a', undefined],
    ['savepoint a', undefined],
    ['release a', undefined],
    ['prepare x as select 1', undefined],
    ["select 'commit'", undefined],
    ['do $$ begin commit; end $$', undefined],
  ])('sees in %s: %s', (sql, expected) => {
    expect(splitStatements(sql).map(transactionControl)).toEqual([expected])
  })
})

describe('positions', () => {
  it('counts lines from one, and characters beyond the basic plane as one', () => {
    expect([lineAt('a\nb\nc', 0), lineAt('a\nb\nc', 2), lineAt('a\nb\nc', 4)]).toEqual([1, 2, 3])
    expect(offsetOfPosition('😀x', 2)).toBe(2)
  })
})
