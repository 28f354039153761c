import type { Stack } from '@aws-sdk/client-cloudformation'
import { describe, expect, it } from 'vitest'
import { describeBackups } from './plan-check.ts'
import { describeState } from './stack-checks.ts'

const stackOf = (StackStatus: Stack['StackStatus'], more: Partial<Stack> = {}) =>
  ({ StackName: 'mokapot-site', CreationTime: new Date(0), StackStatus, ...more }) as Stack
const describeIt = (stack: Stack | undefined) =>
  describeState('mokapot-site', 'eu-central-1', stack)

describe('describeState', () => {
  it.each([
    ['CREATE_COMPLETE', 'ok'],
    ['UPDATE_ROLLBACK_COMPLETE', 'ok'],
    ['REVIEW_IN_PROGRESS', 'ok'],
    ['UPDATE_IN_PROGRESS', 'note'],
    ['ROLLBACK_COMPLETE', 'note'],
    ['CREATE_FAILED', 'note'],
    ['UPDATE_ROLLBACK_FAILED', 'problem'],
    ['DELETE_FAILED', 'problem'],
  ] as const)('judges %s as %s', (status, level) => {
    expect(describeIt(stackOf(status)).level).toBe(level)
  })

  it('gives the command that brings a stuck stack forward, and the reason it is stuck', () => {
    const found = describeIt(
      stackOf('UPDATE_ROLLBACK_FAILED', { StackStatusReason: 'The bucket is gone' }),
    )
    expect(found.what).toBe('stack "mokapot-site" is UPDATE_ROLLBACK_FAILED: The bucket is gone')
    expect(found.fix).toContain(
      'aws cloudformation continue-update-rollback --stack-name mokapot-site --region eu-central-1',
    )
  })

  it('tells what was changed by hand', () => {
    const drifted = { DriftInformation: { StackDriftStatus: 'DRIFTED' as const } }
    expect(describeIt(stackOf('CREATE_COMPLETE', drifted))).toMatchObject({
      level: 'note',
      what: expect.stringContaining('drifted'),
    })
  })

  it('is content with none', () => {
    expect(describeIt(undefined).level).toBe('ok')
  })
})

describe('backups of the database', () => {
  const days = (ParameterValue: string) =>
    describeBackups({
      Parameters: [{ ParameterKey: 'DatabaseBackupDays', ParameterValue }],
    } as Stack).map(({ level, what }) => `${level}: ${what}`)

  it('are told of where they are still those of the free plan, which has ended', () => {
    expect(days('1')).toEqual(['note: backups of the database are kept for 1 day'])
    expect(days('7')).toEqual([])
    expect(describeBackups(undefined)).toEqual([])
  })
})
