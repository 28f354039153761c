import { describe, expect, it } from 'vitest'
import { assembleTemplate, formatTemplate } from './format.ts'
import { logicalId, mergeFragments } from './fragment.ts'

const bucket = { Type: 'AWS::S3::Bucket' }

describe('fragments of a template', () => {
  it('become one, section by section', () => {
    const one = { resources: { A: bucket }, outputs: { A: { Description: 'a', Value: 'a' } } }
    const other = { resources: { B: bucket }, conditions: { A: { 'Fn::Not': [] } } }
    expect(mergeFragments([one, other])).toEqual({
      resources: { A: bucket, B: bucket },
      outputs: one.outputs,
      conditions: other.conditions,
      parameters: {},
    })
  })

  it('cannot have two of one id', () => {
    const fragment = { resources: { VisitsFunction: bucket } }
    expect(() => mergeFragments([fragment, fragment])).toThrow(
      'cannot make the template: two of its resources are named "VisitsFunction"',
    )
  })

  it('have ids of letters and digits', () => {
    expect(logicalId('visits-by_day', 'v1.2')).toBe('VisitsByDayV12')
  })
})

describe('a template', () => {
  const many = (count: number) => ({
    resources: Object.fromEntries(
      Array.from({ length: count }, (_, index) => [`B${index}`, bucket]),
    ),
  })

  it('is read from its description to its outputs, without what is undefined', () => {
    const Properties = { BucketName: undefined, Tags: [] }
    const template = assembleTemplate(
      'A site',
      ['A note'],
      [{ resources: { Bucket: { ...bucket, Properties } } }],
    )
    expect(template.Resources.Bucket).toEqual({ ...bucket, Properties: { Tags: [] } })
    expect(formatTemplate(template)).toMatch(
      /^\{\n {2}"AWSTemplateFormatVersion": "2010-09-09",\n {2}"Description": "A site",\n {2}"Metadata": \{/,
    )
  })

  it('is refused where CloudFormation would refuse it', () => {
    expect(() => assembleTemplate('', [], [many(500)])).not.toThrow()
    expect(() => assembleTemplate('', [], [many(501)])).toThrow(
      'it has 501 resources, and CloudFormation takes 500',
    )
    const Properties = { FunctionCode: 'x'.repeat(1_000_000) }
    expect(() =>
      assembleTemplate('', [], [{ resources: { Large: { ...bucket, Properties } } }]),
    ).toThrow(/bytes, and CloudFormation takes 1000000/)
  })
})
