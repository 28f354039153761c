import * as v from 'valibot'

// What the fields of a configuration are checked with, worded so that `field "x"` can go before it.

export const integer = (minimum: number, maximum: number) =>
  v.pipe(
    v.number('is not a number'),
    v.check(
      value => Number.isInteger(value) && value >= minimum && value <= maximum,
      `is not a whole number from ${minimum} to ${maximum}`,
    ),
  )

export const text = v.pipe(v.string('is not a text'), v.nonEmpty('is empty'))

export const oneOf = <T extends string>(...words: readonly T[]) =>
  v.picklist(words, `is not one of ${words.join(', ')}`)
