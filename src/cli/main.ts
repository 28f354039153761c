#!/usr/bin/env node
import { CommanderError } from 'commander'
import { formatError, MokaError } from '../shared/errors.ts'
import { createProgram } from './program.ts'

// Exit codes: 0 done, 1 failed, 2 wrong usage.

try {
  await createProgram().parseAsync(process.argv)
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2
  } else {
    report(error)
    process.exitCode = 1
  }
}

// Whatever a command left open must not keep it; pipes and files are written synchronously.
process.exit()

function report(error: unknown): void {
  if (process.argv.includes('--json') && error instanceof MokaError) {
    const { code, message, hint } = error
    process.stderr.write(`${JSON.stringify({ error: { code, message, hint } })}\n`)
    return
  }
  const isUnexpected = !(error instanceof MokaError) && error instanceof Error
  process.stderr.write(`${isUnexpected ? error.stack : formatError(error)}\n`)
}
