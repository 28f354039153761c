#!/usr/bin/env node
import { CommanderError } from 'commander'
import { formatError, MokaError } from '../shared/errors.ts'
import { flush } from './flush.ts'
import { createProgram } from './program.ts'

// Exit codes: 0 done, 1 failed, 2 wrong usage.

// The reader of our output may leave before its end, as `moka logs --follow | head` does.
process.stdout.on('error', () => process.exit())
process.stderr.on('error', () => {})

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

// Whatever a command left open must not keep it.
await Promise.all([flush(process.stdout), flush(process.stderr)])
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
