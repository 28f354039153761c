// Runs the public HTTP/2 suite h2spec (https://github.com/summerwind/h2spec) against an edge that is
// running, `moka dev` for example:
//
//   node test/conformance/h2spec.mjs PATH_OF_H2SPEC HOST:PORT [tls]
//
// Prints what failed and a count. Exit 0 when all 146 tests pass, 1 otherwise, 2 for wrong usage.
// No test is excepted.

import { spawnSync } from 'node:child_process'

const TESTS = 146

const [binary, address, mode] = process.argv.slice(2)
const [, host, port] = /^\[?([^\]]+)\]?:(\d+)$/.exec(address ?? '') ?? []
if (binary === undefined || port === undefined || (mode !== undefined && mode !== 'tls')) {
  console.error('usage: node test/conformance/h2spec.mjs PATH_OF_H2SPEC HOST:PORT [tls]')
  process.exit(2)
}

const args = ['-h', host, '-p', port, '-o', '5', ...(mode === 'tls' ? ['-t', '-k'] : [])]
const { stdout, stderr, error } = spawnSync(binary, args, { encoding: 'utf8', timeout: 600_000 })
if (error !== undefined) {
  console.error(`cannot run "${binary}": ${error.message}`)
  process.exit(2)
}
const count = /^(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed$/m.exec(stdout)
const hasPassed = count !== null && Number(count[2]) === TESTS
if (!hasPassed) console.log(stdout.slice(Math.max(0, stdout.indexOf('Failures:'))), stderr)
console.log(count?.[0] ?? 'h2spec did not come to its end')
process.exit(hasPassed ? 0 : 1)
