// Runs the public HTTP/2 suite h2spec (https://github.com/summerwind/h2spec) against an edge that is
// running, `moka dev` for example:
//
//   node test/conformance/h2spec.mjs PATH_OF_H2SPEC HOST:PORT [tls]
//
// Prints what failed and a count. Exit 0 when all 146 tests do what is expected of them, 1 otherwise,
// 2 for wrong usage.

import { spawnSync } from 'node:child_process'

const TESTS = 146

/**
 * Tests that fail, with the reason; one that passes nevertheless is wrong as well. In the clear the
 * port is HTTP/1.1's too: bytes that begin no HTTP/2 connection get its 400 and a close, and the
 * suite reads `HTT` as the length of a frame.
 */
const EXPECTED_FAILURES = { clear: ['Sends invalid connection preface'], tls: [] }

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
const [passed, failures] = stdout.split('Failures:')
const failed = [...(failures ?? '').matchAll(/× \d+: (.*)/g)].map(match => match[1])
const expected = EXPECTED_FAILURES[mode ?? 'clear']
const isAsExpected =
  count !== null &&
  Number(count[2]) === TESTS - expected.length &&
  failed.join() === expected.join()
if (!isAsExpected) console.log(failures ?? passed, stderr)
const reason = expected.length > 0 ? `, ${expected.length} expected to fail` : ''
console.log(count === null ? 'h2spec did not come to its end' : `${count[0]}${reason}`)
process.exit(isAsExpected ? 0 : 1)
