import { expect, it } from 'vitest'
import { OutputTail } from './output-tail.ts'

it('keeps the last lines, without colours, progress and blank lines', () => {
  const tail = new OutputTail()
  for (let line = 1; line <= 1000; line++) tail.push(`line ${line}\n\n`)
  tail.push('10 %\r50 %\r100 %\r\n\x1b[31mErr')
  tail.push('or\x1b[0m: no beans\n')
  const lines = tail.text.split('\n')
  expect(lines).toHaveLength(12)
  expect(lines[0]).toBe('line 991')
  expect(lines.slice(-2)).toEqual(['100 %', 'Error: no beans'])
})

it('is short, also where lines are long', () => {
  const tail = new OutputTail()
  tail.push('x'.repeat(1_000_000))
  expect(tail.text).toBe('x'.repeat(1500))
})
