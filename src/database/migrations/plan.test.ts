import { describe, expect, it } from 'vitest'
import { planMigrations } from './plan.ts'

const migration = (name: string, sha256 = name) => ({ name, sha256 })

describe('planMigrations', () => {
  it('takes what is new, in byte order', () => {
    const list = ['10', '9', 'é', 'a', 'B'].map(name => migration(name))
    expect(planMigrations(list, []).pending.map(({ name }) => name)).toEqual([
      '10',
      '9',
      'B',
      'a',
      'é',
    ])
    expect(planMigrations(list, [migration('10')])).toMatchObject({ alreadyApplied: 1 })
  })

  it('accepts that an applied migration is no longer listed', () => {
    expect(planMigrations([migration('1')], [migration('1'), migration('2')])).toEqual({
      pending: [],
      alreadyApplied: 1,
    })
  })

  it.each([
    [
      'a changed one',
      [migration('1', 'new')],
      [migration('1', 'old')],
      'DATABASE_MIGRATION_CHANGED',
      ['1'],
    ],
    [
      'one before an applied one',
      [migration('1'), migration('2')],
      [migration('2')],
      'DATABASE_MIGRATION_OUT_OF_ORDER',
      ['1', '2'],
    ],
    [
      'one before an applied one that is no longer listed',
      [migration('1')],
      [migration('2')],
      'DATABASE_MIGRATION_OUT_OF_ORDER',
      ['1', '2'],
    ],
    ['one listed twice', [migration('1'), migration('1')], [], 'DATABASE_MIGRATION_INVALID', ['1']],
  ])('refuses %s, by name', (_, list, applied, code, names) => {
    const message = expect.stringMatching(new RegExp(names.map(name => `"${name}"`).join('.*')))
    expect(() => planMigrations(list, applied)).toThrow(expect.objectContaining({ code, message }))
  })
})
