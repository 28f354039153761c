import { describe, expect, it } from 'vitest'
import { databaseAccess, functionEnvironment } from './function-environment.ts'

const NONE = { kind: 'none' } as const
const of = (
  environment: Record<string, string>,
  secrets: Record<string, string> = {},
  database: Parameters<typeof functionEnvironment>[3] = NONE,
) =>
  functionEnvironment(
    'pay',
    { environment, secrets: Object.keys(secrets) },
    new Map(Object.entries(secrets)),
    database,
  )

describe('the variables of a function on Lambda', () => {
  it('are its own, its secrets, and where the database is', () => {
    expect(
      of({ MODE: 'live' }, { STRIPE_KEY: 'x' }, { kind: 'url', url: 'postgres://u:p@h/d' }),
    ).toEqual({
      MODE: 'live',
      STRIPE_KEY: 'x',
      DATABASE_URL: 'postgres://u:p@h/d',
    })
  })

  it('hold no password where IAM checks tokens, and verify the server', () => {
    expect(of({}, {}, { kind: 'rds', host: 'x.rds.amazonaws.com' })).toEqual({
      DATABASE_URL:
        'postgres://app@x.rds.amazonaws.com:5432/app?sslmode=verify-full&sslrootcert=/var/task/mokapot-rds-root.pem',
      MOKA_DATABASE_IAM: 'rds',
    })
    expect(of({}, {}, { kind: 'dsql', host: 'x.dsql.us-east-1.on.aws' }).DATABASE_URL).toBe(
      'postgres://app@x.dsql.us-east-1.on.aws:5432/postgres?sslmode=verify-full&sslrootcert=system',
    )
  })

  it('are refused beyond 4 KB, with the sizes of the largest and no value', () => {
    const secret = 'y'.repeat(3000)
    const make = () => of({ PAGE: 'x'.repeat(1200), A1: 'z' }, { STRIPE_KEY: secret })
    expect(make).toThrow(
      'cannot publish function "pay": its variables have 4217 bytes, and Lambda takes 4096 (secret STRIPE_KEY 3010, PAGE 1204, A1 3)',
    )
    expect(() => of({ PAGE: 'ü'.repeat(2046) })).not.toThrow()
    expect(() => of({ PAGE: 'ü'.repeat(2047) })).toThrow(/4098 bytes/)
  })

  it('are refused by names that Lambda keeps or does not take', () => {
    expect(() => of({ AWS_REGION: 'x' })).toThrow(/"AWS_REGION".*keeps that name/)
    expect(() => of({ _KEY: 'x' })).toThrow(/"_KEY" cannot be set on Lambda: Lambda wants a letter/)
    expect(() => of({ K: 'x' })).toThrow(/two characters/)
  })

  it('need every secret that the function names', () => {
    expect(() =>
      functionEnvironment('pay', { environment: {}, secrets: ['STRIPE_KEY'] }, new Map(), NONE),
    ).toThrow(/function "pay": its secret "STRIPE_KEY" is not set/)
  })
})

describe('where the database of a project is', () => {
  it('is what the stack says, or the project’s own server', () => {
    expect(databaseAccess('site', { database: 'none' }, {})).toEqual({ kind: 'none' })
    expect(databaseAccess('site', { database: 'rds' }, { DatabaseHost: 'h' })).toEqual({
      ...{ kind: 'rds', host: 'h' },
    })
    expect(databaseAccess('site', { database: 'url' }, {}, 'postgres://x')).toEqual({
      ...{ kind: 'url', url: 'postgres://x' },
    })
    expect(() => databaseAccess('site', { database: 'dsql' }, {})).toThrow(/its stack has none yet/)
  })
})
