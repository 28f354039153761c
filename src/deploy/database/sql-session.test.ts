import { describe, expect, it } from 'vitest'
import { formatResults } from './format-results.ts'
import { isWhole } from './sql-session.ts'

describe('what is typed into the shell', () => {
  it.each([
    ['select 1;', true],
    ['select 1; \n', true],
    ['select 1', false],
    ["select ';", false],
    ["select ';';", true],
    ['-- all of it;', false],
    ['select 1 /* ;', false],
    ['create function f() returns int language sql as $$ select 1;', false],
    ['create function f() returns int language sql as $$ select 1; $$;', true],
    ['select "a;', false],
    ['', false],
  ])('%j is whole: %s', (text, expected) => {
    expect(isWhole(text)).toBe(expected)
  })
})

describe('results', () => {
  it('are tables as psql shows them, with the rows that are not shown counted', () => {
    const rows = [
      ['1', 'Ada'],
      ['22', null],
      ['3', 'two\nlines'],
    ]
    const result = { command: 'SELECT', count: 5, columns: ['id', 'name'], rows, hidden: 2 }
    expect(
      formatResults([result, { ...result, command: 'UPDATE', count: 1, columns: [], rows: [] }]),
    ).toBe(
      [
        ' id | name',
        '----+-------',
        ' 1  | Ada',
        ' 22 |',
        ' 3  | two',
        '    | lines',
        '(5 rows, 2 of them not shown)',
        'UPDATE 1',
      ].join('\n'),
    )
  })
})
