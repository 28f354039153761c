import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { tokenizeSql } from './sql-tokens.ts'

const read = (sql: string) => tokenizeSql(sql).map(({ kind, text }) => `${kind} ${text}`)

describe('tokens of SQL', () => {
  it.each([
    ['SELECT a', ['word select', 'word a']],
    ["'it''s' x", ["string it's", 'word x']],
    ["E'it\\'s' x", ["string it\\'s", 'word x']],
    ["'a\\' x", ['string a\\', 'word x']],
    ['"A ""b""" x', ['name A "b"', 'word x']],
    ['U&"d\\0061" x', ['name d\\0061', 'word x']],
    ['$$ drop table $$ x', ['string  drop table ', 'word x']],
    ['$body$ $$ $x$ $body$ x', ['string  $$ $x$ ', 'word x']],
    ['a$b$c', ['word a$b$c']],
    ['$1 x', ['number $1', 'word x']],
    ['1.5e-3 2', ['number 1.5e-3', 'number 2']],
    ["a::text || 'b'", ['word a', 'symbol ::', 'word text', 'symbol |', 'symbol |', 'string b']],
    ['a -- truncate\n b', ['word a', 'word b']],
    ['a /* one /* two */ truncate */ b', ['word a', 'word b']],
    ["'open", ['string open']],
    ['"open', ['name open']],
    ['$$open', ['string open']],
    ['/* open', []],
    ['größe Ñ', ['word größe', 'word ñ']],
  ])('of %j', (sql, expected) => {
    expect(read(sql)).toEqual(expected)
  })

  it('stand where they are, one behind the other, whatever the text is', () => {
    const pieces = fc.constantFrom(
      ...["'", '"', '$$', '$a$', '--', '\n', '/*', '*/', 'E', 'x', ' '],
    )
    const text = fc.array(fc.oneof(pieces, fc.string({ maxLength: 3 })), { maxLength: 30 })
    fc.assert(
      fc.property(text, parts => {
        const sql = parts.join('')
        const tokens = tokenizeSql(sql)
        let end = -1
        for (const { offset } of tokens) {
          expect(offset).toBeGreaterThan(end)
          expect(offset).toBeLessThan(sql.length)
          end = offset
        }
      }),
    )
  })
})
